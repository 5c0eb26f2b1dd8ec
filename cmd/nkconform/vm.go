package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/nkconform/nkconform/conformance"
	"github.com/nkconform/nkconform/deviation"
	"github.com/nkconform/nkconform/matrix"
	"github.com/nkconform/nkconform/report"
)

// progress is where long work tells how it goes: terminals only.
func progress() io.Writer { return newTicker(os.Stderr, 0) }

// positive checks limits of time; zero is the default of each.
func positive(limits map[string]time.Duration) error {
	for flag, limit := range limits {
		if limit < 0 {
			return fmt.Errorf("bad time %s for --%s: expected more than 0", limit, flag)
		}
	}
	return nil
}

// guestSuite is the suite as this program runs it in a guest.
func guestSuite(c choice, chosen []conformance.Scenario, known deviation.List) (matrix.Suite, error) {
	s := matrix.Suite{
		Argv:      []string{"run", "--backend", "host", "--format", formatStream},
		Scenarios: chosen, Deviations: known,
	}
	paths, err := c.absolute()
	if err != nil {
		return s, err
	}
	s.Files = paths
	for _, p := range paths {
		s.Argv = append(s.Argv, "--scenarios", p)
	}
	if len(c.patterns) > 0 {
		s.Argv = append(s.Argv, idArgs(chosen)...)
	}
	return s, nil
}

// runVM runs the scenarios in a kernel booted for it.
func runVM(ctx context.Context, o runOptions, image string,
	chosen []conformance.Scenario, known deviation.List) (*report.Results, error) {
	if err := o.guest.check(); err != nil {
		return nil, err
	}
	if err := positive(map[string]time.Duration{"timeout": o.timeout}); err != nil {
		return nil, err
	}
	suite, err := guestSuite(o.choice, chosen, known)
	if err != nil {
		return nil, err
	}
	entry, err := matrix.ParseEntry(image, o.machine)
	if err != nil {
		return nil, err
	}
	show := newTicker(os.Stderr, 1)
	defer show.end()
	results, err := matrix.Run(ctx, []matrix.Entry{entry}, suite, matrix.Options{
		Jobs: 1, Guests: o.guests, Kernel: o.timeout,
		Boot: o.guest.boot, Hang: o.guest.hang, CPUs: o.guest.cpus, KernelArgs: o.guest.args(), Modules: o.guest.module,
		Fetched: show, Watch: show.event,
	})
	if err != nil {
		return nil, err
	}
	return results, unbootable(results)
}

// unbootable returns an error when nothing could be asked of the one kernel: in
// a matrix that is a result, here the environment cannot run what is asked.
func unbootable(results *report.Results) error {
	for _, c := range results.Runs[0].Cases {
		switch c.ID {
		case "kernel/image", "kernel/boot", "kernel/machine":
			if c.Failure != nil {
				return errors.New(c.Failure.Detail)
			}
		}
	}
	return nil
}
