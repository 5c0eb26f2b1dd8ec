package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/nkconform/nkconform/conformance/lockstep"
	"github.com/nkconform/nkconform/harness"
	"github.com/nkconform/nkconform/internal/backend"
	"github.com/nkconform/nkconform/mprog"
)

// exhaustiveOptions are the flags of exhaustive.
type exhaustiveOptions struct {
	backend, against, hook string
	kernel                 string
	universe               lockstep.Universe
	progress               bool
	vm                     vmOptions
}

func exhaustiveCommand() *cobra.Command {
	var o exhaustiveOptions
	c := &cobra.Command{
		Use:   "exhaustive [flags]",
		Short: "Compare two backends on every trace of a small universe",
		Long: `Exhaustive performs every trace of up to so many steps on two backends: one hook, a
few programs and links, all combinations of flags, every relative object and
replaced program, the current revision, another one and none. Traces that lead
to the same state are continued once. Of the hook cgroup it is a cgroup and the one
that it is in, three programs, and two links with programs of their own.`,
		Example: `  sudo nkconform exhaustive --against host --hook ingress
  nkconform exhaustive --against vm:debian:7.3 --steps 5`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if o.hook == "cgroup" && (c.Flags().Changed("progs") || c.Flags().Changed("links")) {
				return errors.New("--progs and --links: of the hook cgroup there are 3 programs and 2 links")
			}
			return exhaustive(c.Context(), o)
		},
	}
	f := c.Flags()
	f.StringVarP(&o.backend, "backend", "b", "fake", "what is compared: fake, host or source:SOURCE")
	f.StringVarP(&o.against, "against", "a", "fake", "with what: fake, host, source:SOURCE or vm:IMAGE")
	f.StringVarP(&o.kernel, "kernel", "k", "", kernelUsage)
	f.StringVar(&o.hook, "hook", "primary", "which hook: primary, peer, ingress, egress or cgroup")
	f.Int16Var(&o.universe.Progs, "progs", 3, "how many programs")
	f.Int16Var(&o.universe.Links, "links", 2, "how many links")
	f.IntVar(&o.universe.Steps, "steps", 5, "length of the longest traces")
	f.BoolVar(&o.progress, "progress", stderrIsTerminal(), "tell on stderr how it goes")
	f.StringVar(&o.vm.machine, "vm", harness.Auto, "machine that boots the image: "+harness.Names())
	return c
}

func exhaustive(ctx context.Context, o exhaustiveOptions) error {
	cgroups := o.hook == "cgroup"
	at, ok := mprog.ParseAttachType(o.hook)
	if !cgroups && (!ok || !at.Netkit() && !at.TCX()) {
		return fmt.Errorf("unknown hook %q: expected primary, peer, ingress, egress or cgroup", o.hook)
	}
	o.universe.Type = at
	if image, ok := backend.Image(o.against); ok {
		o.vm.timeout = 12 * time.Hour
		return selfInVM(ctx, o.vm, image, append([]string{"exhaustive", "--backend", o.backend, "--against", "host", "--hook", o.hook,
			"--progs", strconv.Itoa(int(o.universe.Progs)), "--links", strconv.Itoa(int(o.universe.Links)),
			"--steps", strconv.Itoa(o.universe.Steps), "--progress=" + strconv.FormatBool(o.progress)}, kernelArgs(o.kernel)...))
	}
	a, b, done, err := lockstepBackends(ctx, o.backend, o.against, o.kernel)
	if err != nil {
		return err
	}
	if cgroups {
		return errors.Join(enumerateCgroups(ctx, o, a, b), done())
	}
	return errors.Join(enumerate(ctx, o, a, b), done())
}

// enumerateCgroups compares every trace about a cgroup and the one that it is in.
func enumerateCgroups(ctx context.Context, o exhaustiveOptions, a, b lockstep.Backend) error {
	began := time.Now()
	e := lockstep.Enumeration{Progress: o.tell(began)}
	found, err := lockstep.ExhaustiveCgroups(ctx, a, b, o.universe.Steps, &e)
	if err != nil {
		return err
	}
	fmt.Printf("%s against %s, a cgroup in another, 3 programs, 2 links, up to %d steps: states %v, %d calls, %s traces, %s\n",
		a.Name, b.Name, o.universe.Steps, e.States, e.Transitions, e.Traces, time.Since(began).Round(time.Millisecond))
	if found == nil {
		return nil
	}
	fmt.Fprintf(os.Stderr, "the answers differ\n%s", differing(found.Answers))
	return errFailed
}

// tell returns what tells how far it has come, every two seconds, if that is wanted.
func (o exhaustiveOptions) tell(began time.Time) func(lockstep.Enumeration) {
	if !o.progress {
		return nil
	}
	told := began
	return func(e lockstep.Enumeration) {
		if time.Since(told) > 2*time.Second {
			told = time.Now()
			fmt.Fprintf(os.Stderr, "states %v, %d calls, %s\n", e.States, e.Transitions, time.Since(began).Round(time.Second))
		}
	}
}

func enumerate(ctx context.Context, o exhaustiveOptions, a, b lockstep.Backend) error {
	t, err := lockstep.New(a, b)
	if err != nil {
		return err
	}
	began := time.Now()
	e := lockstep.Enumeration{Progress: o.tell(began)}
	found, err := t.Exhaustive(ctx, o.universe, &e)
	if err != nil {
		return errors.Join(err, t.Close())
	}
	states := 0
	for _, n := range e.States {
		states += n
	}
	fmt.Printf("%s against %s, hook %s, %d programs, %d links, up to %d steps: %d states %v, %d calls, %s traces, %s\n",
		a.Name, b.Name, o.hook, o.universe.Progs, o.universe.Links, o.universe.Steps,
		states, e.States, e.Transitions, e.Traces, time.Since(began).Round(time.Millisecond))
	if found == nil {
		return t.Close()
	}
	f := fuzzer{o: fuzzOptions{shrink: true}, a: a, b: b, t: t}
	if err := errors.Join(f.report(ctx, found, 0), t.Close()); err != nil {
		return err
	}
	return errFailed
}
