package matrix

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/nkconform/nkconform/conformance"
	"github.com/nkconform/nkconform/harness"
	"github.com/nkconform/nkconform/harness/image"
	"github.com/nkconform/nkconform/report"
)

// share is the part of the suite that one guest runs.
type share struct {
	*matrix
	entry     Entry
	image     image.Image
	argv      []string // of the guest
	scenarios []conformance.Scenario
	cases     *atomic.Int32 // reported so far, by all guests of the kernel
}

// minShare is how many scenarios are worth a boot.
const minShare = 250

// guests is how many share a kernel's suite: where there are more cores than kernels,
// as many as there are cores for each, if they boot fast.
func (m *matrix) guests(e Entry, kernels int) int {
	scenarios := len(m.suite.Scenarios)
	switch {
	case m.options.Guests > 0:
		return max(1, min(m.options.Guests, scenarios))
	case isSource(e.Image) || !harness.Quick(e.Machine):
		return 1
	}
	return max(1, min(min(runtime.NumCPU(), Jobs())/max(kernels, 1), scenarios/minShare))
}

// shares splits the suite among guests of a kernel.
func (m *matrix) shares(e Entry, img image.Image, cases *atomic.Int32) ([]*share, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	shares := make([]*share, m.guests(e, m.kernels))
	for i := range shares {
		spec := fmt.Sprintf("%d/%d", i+1, len(shares))
		s := &share{matrix: m, entry: e, image: img, argv: append([]string{self}, m.suite.Argv...), cases: cases}
		if s.scenarios, err = Shard(m.suite.Scenarios, spec); err != nil {
			return nil, err
		}
		if len(shares) > 1 {
			s.argv = slices.Insert(s.argv, 2, "--part", spec)
		}
		shares[i] = s
	}
	return shares, nil
}

// run runs the suite in one kernel. The error says that it could not even be
// tried; the run says so, too.
func (m *matrix) run(ctx context.Context, e Entry, img image.Image) (*report.Run, error) {
	cases := &atomic.Int32{}
	shares, err := m.shares(e, img, cases)
	if err != nil {
		return m.unavailable(ctx, e, err)
	}
	runs, errs := make([]*report.Run, len(shares)), make([]error, len(shares))
	var work sync.WaitGroup
	for i, s := range shares {
		work.Go(func() { runs[i], errs[i] = s.run(ctx) })
	}
	work.Wait()
	run := runs[0]
	if len(runs) > 1 {
		run = m.join(e, runs)
	}
	if run.Stopped != "" {
		run.Stopped = fmt.Sprintf("%s: %d of %d scenarios have run", run.Stopped, cases.Load(), len(m.suite.Scenarios))
	}
	return m.done(e, run), firstError(errs)
}

func firstError(errs []error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// join makes one run of those of a kernel's guests: the scenarios in the suite's order,
// and what is about the kernel as a whole once.
func (m *matrix) join(e Entry, runs []*report.Run) *report.Run {
	joined := m.newRun(e)
	vm := &report.VM{Guests: len(runs)}
	seconds := 0.0
	kernel := map[string]int{} // cases of no scenario, by where they are
	for _, run := range runs {
		if joined.Kernel.Release == "" {
			joined.Kernel = run.Kernel
		}
		joined.Stopped = cmp.Or(joined.Stopped, run.Stopped)
		joined.Console = cmp.Or(joined.Console, run.Console)
		seconds = max(seconds, run.Seconds)
		if g := run.VM; g != nil {
			vm.Machine, vm.Accel = g.Machine, g.Accel
			vm.Boots, vm.Boot, vm.Total = max(vm.Boots, g.Boots), max(vm.Boot, g.Boot), max(vm.Total, g.Total)
		}
		for _, c := range run.Cases {
			at, again := kernel[c.ID]
			switch _, scenario := m.known[c.ID]; {
			case again && c.Failure != nil:
				joined.Cases[at].Failure = bothFailures(joined.Cases[at].Failure, c.Failure)
				continue
			case !scenario:
				kernel[c.ID] = len(joined.Cases)
			}
			joined.AddCase(c)
		}
	}
	joined.Seconds = seconds
	if vm.Machine != "" {
		joined.VM = vm
	}
	order := map[string]int{} // below zero, so that what is no scenario comes last
	for i, s := range m.suite.Scenarios {
		order[s.ID] = i - len(m.suite.Scenarios)
	}
	slices.SortStableFunc(joined.Cases, func(a, b report.Case) int { return order[a.ID] - order[b.ID] })
	return joined
}

// bothFailures tells what two guests say, once if it is the same.
func bothFailures(a, b *report.Failure) *report.Failure {
	if a == nil || a.Detail == b.Detail {
		return b
	}
	both := *a
	both.Detail += "\n" + b.Detail
	return &both
}
