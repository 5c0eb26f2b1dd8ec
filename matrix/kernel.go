package matrix

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/nkconform/nkconform/conformance"
	"github.com/nkconform/nkconform/harness"
	"github.com/nkconform/nkconform/harness/image"
	"github.com/nkconform/nkconform/report"
)

// matrix is one call of Run.
type matrix struct {
	suite   Suite
	options Options
	known   map[string]conformance.Scenario

	kernels int // of the matrix

	watching sync.Mutex
}

// maxStderr bounds what is kept of what the suite says on stderr.
const maxStderr = 16 << 10

// KernelArgs spare a guest what takes long under emulation and says nothing of
// how it answers.
var KernelArgs = []string{
	"cryptomgr.notests", // half of a boot

	// The removal of a device waits until all that is queued at RCU is done, which
	// an idle processor begins, notices and finishes at ticks of its clock. Threads
	// do that without waiting for the first and the last.
	"rcu_nocbs=all", "rcutree.jiffies_till_first_fqs=0", "rcutree.jiffies_to_sched_qs=0",
	"rcutree.enable_rcu_lazy=0", // those threads may leave things for ten seconds, to save power
}

// suiteArgs spare it what the suite does not use: a quarter of what a device
// costs is for IPv6.
var suiteArgs = append(slices.Clone(KernelArgs), "ipv6.disable=1")

// suiteEnv keeps the garbage collector from working often, which takes an emulated
// processor long, but not from working: a page of memory that is new takes User-Mode
// Linux longer than a system call.
var suiteEnv = []string{"GOGC=200", "GOMEMLIMIT=256MiB"}

func (m *matrix) newRun(e Entry) *report.Run {
	return &report.Run{Name: e.String(), Backend: "vm", Image: e.Image, Cases: []report.Case{}}
}

func (m *matrix) resolve(ctx context.Context, e Entry) (image.Image, error) {
	m.watch(Event{Entry: e, Stage: Fetching})
	return m.options.machines.resolve(ctx, e)
}

// unavailable is the run of a kernel that cannot be had.
func (m *matrix) unavailable(ctx context.Context, e Entry, err error) (*report.Run, error) {
	if ctx.Err() != nil {
		return m.notRun(ctx, e), nil
	}
	run := m.newRun(e)
	var unavailable *harness.UnavailableError
	if errors.As(err, &unavailable) {
		run.Fail("kernel/machine", "There is a machine that boots the kernel.", err.Error())
	} else {
		run.Fail("kernel/image", "The kernel can be had.", err.Error())
	}
	return m.done(e, run), err
}

// notRun is the run of a kernel whose turn did not come.
func (m *matrix) notRun(ctx context.Context, e Entry) *report.Run {
	run := m.newRun(e)
	run.Stopped = "not run: " + why(ctx)
	return m.done(e, run)
}

// why tells what stopped the work.
func why(ctx context.Context) string {
	if errors.Is(context.Cause(ctx), errTotal) {
		return errTotal.Error()
	}
	return "interrupted"
}

func (m *matrix) done(e Entry, run *report.Run) *report.Run {
	m.suite.Deviations.Apply(run)
	m.watch(Event{Entry: e, Stage: Done, Cases: len(run.Cases), Run: run})
	return run
}

// run runs a share of the suite in one guest.
func (s *share) run(ctx context.Context) (*report.Run, error) {
	for boots := 1; ; boots++ {
		run := s.newRun(s.entry)
		s.watch(Event{Entry: s.entry, Stage: Booting})
		var broke atomic.Bool
		var late []report.Case
		stream := &report.Receiver{OnCase: func(c report.Case) {
			if c = s.complete(c); broke.Load() {
				late = append(late, c)
				return
			}
			run.AddCase(c)
			s.watch(Event{Entry: s.entry, Stage: Running, Cases: int(s.cases.Add(1))})
		}}
		stderr := &tail{max: maxStderr}
		kind, res, err := s.options.machines.boot(ctx, s.entry.Machine, harness.Command{
			Image: s.image, Argv: s.argv, Files: s.suite.Files, Env: suiteEnv,
			Stdout: stream, Stderr: stderr, HangTimeout: s.options.Hang, Steady: true, Broke: func() { broke.Store(true) },
			Timeout: s.options.Kernel, BootTimeout: s.options.Boot, LogDir: s.options.LogDir,
			Modules: s.options.Modules, ModulesDir: s.modulesDir(),
			CPUs: s.options.CPUs, KernelArgs: append(slices.Clone(suiteArgs), s.options.KernelArgs...),
		})
		if boots < harness.MaxBoots && harness.WorthAnother(ctx, res, err) {
			continue
		}
		run.Kernel = stream.Kernel
		if run.Kernel.Release == "" {
			run.Kernel.Release = res.Release
		}
		if res.Total > 0 {
			run.VM = &report.VM{Machine: kind, Accel: res.Accel, Boots: boots, Boot: res.Boot.Seconds(), Total: res.Total.Seconds()}
		}
		var unavailable *harness.UnavailableError
		if errors.As(err, &unavailable) {
			run.Fail("kernel/machine", "There is a machine that boots the kernel.", err.Error())
			return run, err
		}
		s.judge(ctx, run, late, res, err, stderr.String())
		return run, nil
	}
}

// modulesDir is the folder with the kernel's modules, if they are needed.
func (s *share) modulesDir() string {
	if len(s.options.Modules) == 0 {
		return ""
	}
	return s.image.Modules
}

// complete adds to a case what the guest did not send: the host has the suite.
func (m *matrix) complete(c report.Case) report.Case {
	s, ok := m.known[c.ID]
	if !ok {
		return c
	}
	c.Rule = s.Rule
	if c.Status == report.Failed {
		c.Trace = s.Trace.String()
	}
	return c
}

// tail is an io.Writer that keeps the end of what is written.
type tail struct {
	max  int
	text bytes.Buffer
}

func (t *tail) Write(b []byte) (int, error) {
	t.text.Write(b)
	if over := t.text.Len() - t.max; over > 0 {
		t.text.Next(over)
	}
	return len(b), nil
}

func (t *tail) String() string { return strings.TrimSpace(t.text.String()) }
