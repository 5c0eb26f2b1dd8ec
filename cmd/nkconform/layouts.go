package main

import (
	"bytes"
	"context"
	"debug/elf"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/cilium/ebpf/btf"
	"github.com/spf13/cobra"

	"github.com/nkconform/nkconform/fake"
	"github.com/nkconform/nkconform/harness/image"
	"github.com/nkconform/nkconform/internal/backend"
	"github.com/nkconform/nkconform/internal/layouts"
)

// runningBTF is the running kernel's description of its types.
const runningBTF = "/sys/kernel/btf/vmlinux"

func kernelsLayoutsCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "layouts",
		Short: "Compare how bpf_attr is laid out with what kernels say themselves",
		Long: `Layouts reads the types (BTF) of the running kernel and of those in the cache, and tells of
each how long its bpf_attr is, how many commands and attach types there are, and which
fields are not where this program has them. A field that only later kernels have is no difference.

Exit status: 0 no difference, 1 something differs.`,
		Example: "  nkconform kernels layouts", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return compareLayouts(c.Context()) },
	}
}

func compareLayouts(ctx context.Context) error {
	cached, err := image.Cached()
	if err != nil {
		return err
	}
	seen, differ := 0, false
	tell := func(name, release string, load func() (*btf.Spec, error)) error {
		known, err := fake.ParseRelease(release)
		if err != nil {
			return err
		}
		spec, err := load()
		if err != nil {
			return err
		}
		r, err := layouts.Check(spec, known)
		if err != nil {
			return err
		}
		seen++
		differ = differ || len(r.Differ) > 0
		fmt.Printf("%s: %s\n", name, r)
		return nil
	}
	if _, err := os.Stat(runningBTF); !errors.Is(err, fs.ErrNotExist) {
		release := backend.Host().Release
		if err := tell(release+" (running)", release, btf.LoadKernelSpec); err != nil {
			fmt.Fprintf(os.Stderr, "nkconform: the running kernel: %v\n", err)
		}
	}
	for _, img := range cached {
		err := tell(img.Release, img.Release, func() (*btf.Spec, error) {
			path, err := img.VMLinux(ctx)
			if err != nil {
				return nil, err
			}
			return loadBTF(path)
		})
		if err != nil {
			fmt.Fprintf(os.Stderr, "nkconform: %s: %v\n", img.Release, err)
		}
	}
	switch {
	case seen == 0:
		return errors.New("no kernel with BTF is here: neither " + runningBTF + " nor one in the cache, which nkconform kernels fetch fills")
	case differ:
		return errFailed
	}
	return nil
}

// loadBTF reads the types in an uncompressed kernel, which has no symbols.
func loadBTF(path string) (*btf.Spec, error) {
	f, err := elf.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	section := f.Section(".BTF")
	if section == nil {
		return nil, errors.New("the kernel has no BTF")
	}
	types, err := section.Data()
	if err != nil {
		return nil, fmt.Errorf("read BTF: %w", err)
	}
	return btf.LoadSpecFromReader(bytes.NewReader(types))
}
