package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/nkconform/nkconform/harness"
	"github.com/nkconform/nkconform/harness/image"
)

// coverageOptions are the flags of coverage.
type coverageOptions struct {
	collect   bool
	seed      uint64
	sequences int
	missing   bool
	chosen    choice // in the guest
}

// counters are the contents of the kernel's .gcda files by their paths, after
// the suite and after the fuzzer too.
type counters struct{ Suite, Fuzz map[string][]byte }

func coverageCommand() *cobra.Command {
	var o coverageOptions
	c := &cobra.Command{
		Use:   "coverage [flags] TREE [PATTERN]...",
		Short: "Measure how much of the kernel's code the suite reaches",
		Long: `Coverage runs the suite, and then the fuzzer, in a User-Mode Linux kernel that was
built with gcov in the folder TREE (scripts/coverage.sh builds one), and prints
how many lines and branches of the kernel's mprog, netkit and tcx code they
reached, and those that neither did. With a PATTERN only the scenarios run that
match.

` + patternsHelp,
		Example: `  scripts/coverage.sh
  nkconform coverage ~/.cache/nkconform/coverage-7.3/linux-source-7.3
  nkconform coverage --sequences 0 ~/.cache/nkconform/coverage-7.3/linux-source-7.3 revision/`,
		RunE: func(c *cobra.Command, args []string) error {
			if o.collect {
				return collectCoverage(c.Context(), o)
			}
			if len(args) == 0 {
				return errors.New("no TREE given: expected the folder in which the kernel was built")
			}
			return coverage(c.Context(), o, args[0], args[1:])
		},
	}
	f := c.Flags()
	f.Uint64Var(&o.seed, "seed", 1, "seed of the fuzzer")
	f.IntVarP(&o.sequences, "sequences", "n", 2000, "how many sequences the fuzzer performs")
	f.BoolVar(&o.missing, "missing", true, "list what was not reached")
	f.BoolVar(&o.collect, "collect", false, "in the guest: print the counters")
	_ = f.MarkHidden("collect") // the flag is defined above
	o.chosen.addIDs(f)
	return c
}

func coverage(ctx context.Context, o coverageOptions, tree string, patterns []string) error {
	chosen, err := choice{patterns: patterns}.load()
	if err != nil {
		return err
	}
	if len(patterns) == 0 {
		chosen = nil // all
	}
	if tree, err = filepath.Abs(tree); err != nil {
		return err
	}
	img, err := image.Resolve(ctx, "uml:"+filepath.Join(tree, "linux"), image.Options{})
	if err != nil {
		return err
	}
	out, res, err := guestOutput(ctx, "uml", harness.Command{
		Image: img, Timeout: time.Hour,
		Argv: append([]string{"coverage", "--collect", "--seed", strconv.FormatUint(o.seed, 10),
			"--sequences", strconv.Itoa(o.sequences)}, idArgs(chosen)...),
	})
	if err != nil {
		return err
	}
	var c counters
	if err := json.Unmarshal(out, &c); err != nil {
		return fmt.Errorf("read the guest's counters: %w", err)
	}
	suite, err := readCoverage(ctx, tree, c.Suite)
	if err != nil {
		return err
	}
	both, err := readCoverage(ctx, tree, c.Fuzz)
	if err != nil {
		return err
	}
	fmt.Printf("kernel %s, %d sequences of seed %d\n\n", res.Release, o.sequences, o.seed)
	printCoverage(suite, both)
	if o.missing {
		return printMissing(tree, both)
	}
	return nil
}
