package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/nkconform/nkconform/harness"
	"github.com/nkconform/nkconform/matrix"
	"github.com/nkconform/nkconform/report"
)

// matrixOptions are the flags of matrix.
type matrixOptions struct {
	jobs       int
	machines   []string
	list       string
	shard      string
	plan       bool
	choice     choice
	deviations string
	format     string
	verbose    bool
	report     string
	guest      guestFlags
	timeout    time.Duration
	total      time.Duration
}

func matrixCommand() *cobra.Command {
	var o matrixOptions
	c := &cobra.Command{
		Use:   "matrix [flags] [IMAGE...]",
		Short: "Run the suite on many kernels, each booted for it",
		Long: `Matrix boots each kernel in a machine of its own, several side by side, runs the
suite in it, and reports what every kernel answered.

An IMAGE is what 'nkconform kernels' tells of, or IMAGE@MACHINE for another
machine than --vm says; or source:debian:VERSION or source:tree:FOLDER, for a
kernel's own code. Without any, the kernels of the built-in list are taken,
or those of --list FILE: one a line, # begins a comment.

A kernel that warns, hangs or dies fails, with its console attached. One that
never says a word is booted once more.`,
		Example: `  nkconform matrix
  nkconform matrix debian:6.12 debian:7.3 debian:7.3@vng ./vmlinuz
  nkconform matrix --report out --format summary >>"$GITHUB_STEP_SUMMARY"
  nkconform matrix --shard 1/3 --format json >part1.json
  nkconform matrix --plan --list kernels.txt
  nkconform matrix --only revision/ --vm qemu,vng debian:7.1`,
		RunE: func(c *cobra.Command, images []string) error {
			return runMatrix(c.Context(), o, images)
		},
	}
	f := c.Flags()
	f.IntVarP(&o.jobs, "jobs", "j", 0, "kernels at once (default: what cores and memory allow)")
	f.StringSliceVar(&o.machines, "vm", []string{matrix.Auto}, "machine that boots: "+harness.Names()+"; several for a row each")
	f.StringVar(&o.list, "list", "", "file that lists the kernels")
	f.StringVar(&o.shard, "shard", "", "only share `i/n` of the kernels, such as 1/3")
	f.BoolVar(&o.plan, "plan", false, "print as JSON what would run, in the form of a CI matrix, and stop")
	f.StringArrayVarP(&o.choice.paths, "scenarios", "s", nil, scenariosUsage)
	f.StringSliceVar(&o.choice.patterns, "only", nil, "only scenarios that match, as for run")
	f.StringVar(&o.deviations, "known", "", knownUsage)
	f.StringVarP(&o.format, "format", "f", "text", "how to report: "+report.FormatNames())
	f.BoolVarP(&o.verbose, "verbose", "v", false, "tell every failure, and name what passed or was skipped")
	f.StringVar(&o.report, "report", "", "folder to write a report into, in every format")
	o.guest.add(f)
	f.DurationVar(&o.timeout, "timeout", 5*time.Minute, "limit for one kernel, boot and all")
	f.DurationVar(&o.total, "total-timeout", 30*time.Minute, "limit for all kernels")
	return c
}

// entries are the kernels that the flags and arguments ask for.
func (o matrixOptions) entries(images []string) ([]matrix.Entry, error) {
	if len(o.machines) == 0 { // what --vm "" comes to, which is a mistake
		o.machines = []string{""}
	}
	var list []matrix.Entry
	for _, machine := range o.machines {
		part, err := o.entriesOn(machine, images)
		if err != nil {
			return nil, err
		}
		for _, e := range part {
			list = appendNew(list, e)
		}
	}
	if o.shard != "" {
		return matrix.Shard(list, o.shard)
	}
	return list, nil
}

func appendNew(list []matrix.Entry, e matrix.Entry) []matrix.Entry {
	for _, have := range list {
		if have == e {
			return list
		}
	}
	return append(list, e)
}

func (o matrixOptions) entriesOn(machine string, images []string) ([]matrix.Entry, error) {
	switch {
	case len(images) > 0 && o.list != "":
		return nil, fmt.Errorf("both --list %s and images are given: give one", o.list)
	case len(images) > 0:
		return matrix.ParseArgs(images, machine)
	case o.list != "":
		text, err := os.ReadFile(o.list)
		if err != nil {
			return nil, fmt.Errorf("list of kernels: %w", err)
		}
		return matrix.ParseList(o.list, string(text), machine)
	}
	return matrix.ParseList("the built-in list", matrix.DefaultList, machine)
}

func runMatrix(ctx context.Context, o matrixOptions, images []string) error {
	if _, err := report.ParseFormat(o.format); err != nil {
		return err
	}
	if o.jobs < 0 {
		return fmt.Errorf("bad number %d for --jobs: expected 1 or more", o.jobs)
	}
	if err := o.guest.check(); err != nil {
		return err
	}
	if err := positive(map[string]time.Duration{"timeout": o.timeout, "total-timeout": o.total}); err != nil {
		return err
	}
	entries, err := o.entries(images)
	if err != nil {
		return err
	}
	if o.plan {
		return printPlan(entries)
	}
	suite, err := o.suite()
	if err != nil {
		return err
	}
	run := matrix.Options{
		Jobs: o.jobs, Kernel: o.timeout, Total: o.total,
		Boot: o.guest.boot, Hang: o.guest.hang, CPUs: o.guest.cpus, KernelArgs: o.guest.args(), Modules: o.guest.module,
	}
	if o.report != "" { // what cannot be written is better known now
		if run.LogDir, err = prepareReport(o.report); err != nil {
			return err
		}
	}
	show := newTicker(os.Stderr, len(entries))
	run.Fetched, run.Watch = show, show.event
	results, err := matrix.Run(ctx, entries, suite, run)
	show.end()
	if err != nil { // the rows of the report say so, too
		if o.report != "" {
			err = errors.Join(err, writeReport(o.report, results))
		}
		return err
	}
	return writeAll(o.report, results, o.format, o.verbose)
}

func (o matrixOptions) suite() (matrix.Suite, error) {
	chosen, err := o.choice.load()
	if err != nil {
		return matrix.Suite{}, err
	}
	known, err := loadDeviations(o.deviations, o.choice, chosen)
	if err != nil {
		return matrix.Suite{}, err
	}
	return guestSuite(o.choice, chosen, known)
}

// printPlan prints the kernels as GitHub's strategy.matrix takes them.
func printPlan(entries []matrix.Entry) error {
	type row struct {
		Name string `json:"name"`
		matrix.Entry
	}
	plan := struct {
		Include []row `json:"include"`
	}{Include: []row{}}
	for _, e := range entries {
		plan.Include = append(plan.Include, row{e.String(), e})
	}
	return json.NewEncoder(os.Stdout).Encode(plan)
}
