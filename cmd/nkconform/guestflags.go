package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/nkconform/nkconform/harness/image"
)

// guestFlags are the flags of every command that boots kernels.
type guestFlags struct {
	boot   time.Duration
	hang   time.Duration
	cpus   int
	kernel []string
	module []string
}

func (g *guestFlags) add(f *pflag.FlagSet) {
	f.DurationVar(&g.boot, "boot-timeout", 0, "limit for a boot (default: 1m, 3m for vng)")
	f.DurationVar(&g.hang, "hang-timeout", 0, "how long a task, a processor or the guest may hang until it is ended (default: 10s, 30s where processors are emulated)")
	f.IntVar(&g.cpus, "cpus", 1, "processors of a guest; more than one are slower without KVM")
	f.StringSliceVar(&g.module, "module", nil, "module of the kernel to load in a guest, by name or alias: veth,cls_bpf")
	f.StringArrayVar(&g.kernel, "append", nil, "argument for the kernel's command line, after those of nkconform")
}

// args are the arguments for the kernel's command line, each by itself.
func (g guestFlags) args() []string {
	return strings.Fields(strings.Join(g.kernel, " "))
}

// check returns an error if the flags make no sense.
func (g guestFlags) check() error {
	if g.cpus < 1 {
		return fmt.Errorf("bad number %d for --cpus: expected 1 or more", g.cpus)
	}
	return positive(map[string]time.Duration{"boot-timeout": g.boot, "hang-timeout": g.hang})
}

// modules returns the folder with a kernel's modules, or nothing if it has none
// and none are asked for, and what a guest says when the kernel asks for one that
// it does not have.
func (g guestFlags) modules(ctx context.Context, img image.Image) (dir, hint string, err error) {
	dir, err = img.FetchModules(ctx, image.Options{Progress: progress()})
	switch {
	case err == nil:
		return dir, "; --module NAME brings what ip and tc do not ask for, if the kernel has it", nil
	case len(g.module) > 0 || ctx.Err() != nil:
		return "", "", err
	case !errors.Is(err, image.ErrNoModules):
		fmt.Fprintf(os.Stderr, "nkconform: the guest has no modules: %v\n", err)
	}
	return "", "; " + err.Error(), nil
}
