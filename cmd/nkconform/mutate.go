package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/nkconform/nkconform/internal/source"
	"github.com/nkconform/nkconform/internal/source/cmutate"
	"github.com/nkconform/nkconform/internal/source/court"
)

// mutateOptions are the flags of mutate.
type mutateOptions struct {
	source        string
	known         string
	jobs          int
	verbose, list bool
	work          string
}

func mutateCommand() *cobra.Command {
	var o mutateOptions
	c := &cobra.Command{
		Use:   "mutate --source SOURCE [FUNCTION...]",
		Short: "Put defects into a kernel's code, to see whether the suite notices",
		Long: `Mutate puts one small defect after the other into the code of a kernel that decides
about hooks (conditions, bounds, errnos, flags, order of checks, statements left out), and runs
the suite on it. SOURCE is debian:VERSION or tree:FOLDER, as for run --backend source:SOURCE.

What the suite does not notice must stand, with the reason, in the file of known
survivors, and what stands there must survive.`,
		Example: `  nkconform mutate --source debian:7.3
  nkconform mutate --source tree:$HOME/linux -v bpf_mprog_attach`,
		RunE: func(c *cobra.Command, functions []string) error {
			if o.source == "" {
				return errors.New("--source says of which kernel: expected debian:VERSION or tree:FOLDER")
			}
			return mutate(c.Context(), o, functions)
		},
	}
	f := c.Flags()
	f.StringVar(&o.source, "source", "", "the kernel's source: debian:VERSION or tree:FOLDER")
	f.StringVar(&o.known, "known", "", "file of known survivors (default: the built-in one)")
	f.IntVarP(&o.jobs, "jobs", "j", runtime.NumCPU(), "mutants at once")
	f.BoolVarP(&o.verbose, "verbose", "v", false, "name what noticed each mutant")
	f.BoolVar(&o.list, "list", false, "list the mutants, and run nothing")
	f.StringVar(&o.work, "work", "", "judge mutants of a compiled file of a release, whose numbers come on stdin")
	_ = f.MarkHidden("work") // for mutate itself
	return c
}

func mutate(ctx context.Context, o mutateOptions, functions []string) error {
	if o.work != "" {
		s, err := source.Load(o.work, o.source)
		if err != nil {
			return err
		}
		return court.Work(s, os.Stdin, os.Stdout)
	}
	began := time.Now()
	known, err := court.Survivors(o.known)
	if err != nil {
		return err
	}
	s, mutants, err := source.OpenMutants(ctx, o.source, known.LeftOut, progress())
	if err != nil {
		return err
	}
	if len(functions) > 0 {
		mutants = slices.DeleteFunc(mutants, func(m cmutate.Mutant) bool { return !slices.Contains(functions, m.Function) })
		if len(mutants) == 0 {
			return fmt.Errorf("no mutant is in %s", strings.Join(functions, " or "))
		}
	}
	if o.list {
		for _, m := range mutants {
			fmt.Println(m.Key())
		}
		return nil
	}
	built := time.Since(began)
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	argv := []string{self, "mutate", "--work", s.File, "--source", s.Release}
	t := tally{files: map[string]*[2]int{}}
	err = court.Judge(ctx, argv, mutants, o.jobs, func(v court.Verdict) { t.add(v, known, o.verbose) })
	if err != nil {
		return err
	}
	return t.end(s.Release, built, time.Since(began))
}

// tally counts verdicts.
type tally struct {
	files                map[string]*[2]int // mutants, noticed
	all, noticed, expect int
	gaps                 int // known to survive, though a caller could see them
	wrong                int
}

func (t *tally) add(v court.Verdict, known *court.Known, verbose bool) {
	if t.files[v.File] == nil {
		t.files[v.File] = new([2]int)
	}
	t.all++
	t.files[v.File][0]++
	reason, expected := known.Reason(v.Mutant)
	if expected {
		t.expect++
	}
	if strings.HasPrefix(reason, court.Gap) {
		t.gaps++
	}
	switch {
	case v.By != "":
		t.noticed++
		t.files[v.File][1]++
		if expected {
			t.wrong++
			fmt.Printf("NOTICED  %s: by %s, though it is known to survive: %s\n", v.Key(), v.By, reason)
		} else if verbose {
			fmt.Printf("noticed  %s: by %s\n", v.Key(), v.By)
		}
	case !expected:
		t.wrong++
		fmt.Printf("SURVIVES %s\n", v.Key())
	case verbose:
		fmt.Printf("survives %s: %s\n", v.Key(), reason)
	}
}

func (t *tally) end(release string, built, took time.Duration) error {
	for _, file := range slices.Sorted(maps.Keys(t.files)) {
		n := t.files[file]
		fmt.Printf("%-30s %5d mutants, %5d noticed\n", file, n[0], n[1])
	}
	seen := t.all - t.expect + t.gaps
	fmt.Printf("Linux %s: %d mutants, %d noticed, %d known survivors; of the %d that a caller could see, %.2f%% noticed; %s, of which %s to build\n",
		release, t.all, t.noticed, t.expect, seen, 100*float64(t.noticed)/float64(max(seen, 1)), took.Round(time.Second), built.Round(time.Second))
	if t.wrong > 0 {
		return errFailed
	}
	return nil
}
