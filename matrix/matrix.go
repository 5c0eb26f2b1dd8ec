package matrix

import (
	"cmp"
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-multierror"

	"github.com/nkconform/nkconform/conformance"
	"github.com/nkconform/nkconform/deviation"
	"github.com/nkconform/nkconform/harness"
	"github.com/nkconform/nkconform/harness/image"
	"github.com/nkconform/nkconform/report"
)

// Suite is what runs in each kernel.
type Suite struct {
	// Argv are arguments of this program with which it runs the scenarios on
	// the running kernel and prints a report.Streaming. With --part i/n after the
	// first it runs every n-th of them, from the i-th on.
	Argv []string
	// Files of the host that it needs.
	Files []string
	// Scenarios are those that it runs, in its order.
	Scenarios []conformance.Scenario
	// Deviations are held against what it shows.
	Deviations deviation.List
}

// Options change how a matrix runs. The zero value is useful.
type Options struct {
	Jobs       int           // kernels at once; Jobs() if zero
	Guests     int           // that share the suite of a kernel; if zero, as many as there are cores for each kernel, where they boot fast
	Boot       time.Duration // limit for a boot; the machine's own if zero
	Hang       time.Duration // as harness.Command's HangTimeout
	Kernel     time.Duration // limit for one kernel, boot and all; harness.DefaultTimeout if zero
	Total      time.Duration // limit for all; none if zero
	LogDir     string        // for the console logs of failures; the cache if empty
	Fetched    io.Writer     // takes a line for each download, from any goroutine; optional
	CPUs       int           // processors of a guest; 1 if zero
	Modules    []string      // of each kernel, loaded before the suite runs, by name or alias
	KernelArgs []string      // added to each kernel's command line
	Watch      func(Event)   // called when something has happened, by one goroutine at a time; optional

	machines machineRoom // for tests
}

// errTotal is why the work was stopped when it took too long.
var errTotal = errors.New("the time limit for all kernels has passed")

// Run runs the suite in every kernel. It returns results also when it is
// stopped half-way. The error is nil if at least one kernel could be tried.
func Run(ctx context.Context, entries []Entry, s Suite, o Options) (*report.Results, error) {
	began := time.Now()
	if o.Total > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, o.Total, errTotal)
		defer cancel()
	}
	if o.machines == nil {
		o.machines = realMachines{o.Fetched, len(o.Modules) > 0}
	}
	m := &matrix{suite: s, options: o, kernels: len(entries), known: map[string]conformance.Scenario{}}
	for _, scenario := range s.Scenarios {
		m.known[scenario.ID] = scenario
	}
	runs := make([]*report.Run, len(entries))
	errs := make([]error, len(entries))
	slots := make(chan struct{}, cmp.Or(o.Jobs, Jobs()))
	var work sync.WaitGroup
	for _, i := range order(entries) {
		// What is at hand boots while the next one is fetched.
		e := entries[i]
		img, err := m.resolve(ctx, e)
		if err != nil {
			runs[i], errs[i] = m.unavailable(ctx, e, err)
			continue
		}
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
			runs[i] = m.notRun(ctx, e)
			continue
		}
		work.Go(func() {
			defer func() { <-slots }()
			runs[i], errs[i] = m.run(ctx, e, img)
		})
	}
	work.Wait()
	results := report.New(runs...)
	results.Started, results.Seconds = began.UTC().Truncate(time.Second), time.Since(began).Seconds()
	results.Interrupted = ctx.Err() != nil
	return results, allFailed(errs)
}

// order returns the indexes of entries, those first that take longest.
func order(entries []Entry) []int {
	list := make([]int, len(entries))
	for i := range list {
		list[i] = i
	}
	slices.SortStableFunc(list, func(a, b int) int {
		return harness.Slowness(entries[b].Machine) - harness.Slowness(entries[a].Machine)
	})
	return list
}

// allFailed returns what was wrong with every entry, or nil if one went well.
func allFailed(errs []error) error {
	var all multierror.Error
	seen := map[string]bool{}
	for _, err := range errs {
		if err == nil {
			return nil
		}
		if !seen[err.Error()] {
			seen[err.Error()] = true
			all.Errors = append(all.Errors, err)
		}
	}
	all.ErrorFormat = Lines
	return all.ErrorOrNil()
}

// Lines writes errors one a line, and nothing else.
func Lines(errs []error) string {
	lines := make([]string, len(errs))
	for i, err := range errs {
		lines[i] = err.Error()
	}
	return strings.Join(lines, "\n")
}

// machineRoom is what a matrix needs of the world.
type machineRoom interface {
	resolve(ctx context.Context, e Entry) (image.Image, error)
	boot(ctx context.Context, machine string, c harness.Command) (kind string, res harness.Result, err error)
}

type realMachines struct {
	fetched io.Writer
	modules bool // are needed
}

func (r realMachines) resolve(ctx context.Context, e Entry) (image.Image, error) {
	if isSource(e.Image) {
		return image.Image{Ref: e.Image}, nil
	}
	opts := image.Options{Progress: r.fetched}
	img, err := harness.Resolve(ctx, e.Machine, e.Image, opts)
	if err == nil && r.modules {
		img.Modules, err = img.FetchModules(ctx, opts)
	}
	return img, err
}

func (realMachines) boot(ctx context.Context, machine string, c harness.Command) (string, harness.Result, error) {
	if isSource(c.Image.Ref) {
		return runSource(ctx, c)
	}
	m, err := harness.Pick(machine, c.Image)
	var unavailable *harness.UnavailableError
	if err != nil && !errors.As(err, &unavailable) {
		err = &harness.UnavailableError{Machine: machine, Missing: err.Error()}
	}
	if err != nil {
		return machine, harness.Result{}, err
	}
	res, err := m.Run(ctx, c)
	return m.Name(), res, err
}
