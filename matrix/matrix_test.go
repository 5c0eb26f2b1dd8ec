package matrix

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/nkconform/nkconform/deviation"
	"github.com/nkconform/nkconform/harness"
	"github.com/nkconform/nkconform/harness/console"
	"github.com/nkconform/nkconform/report"
)

// outcome is a run in one line: "id status" of each case.
func outcome(run *report.Run) string {
	var parts []string
	for _, c := range run.Cases {
		parts = append(parts, c.ID+" "+string(c.Status))
	}
	return strings.Join(parts, ", ")
}

func find(t *testing.T, run *report.Run, id string) report.Case {
	for _, c := range run.Cases {
		if c.ID == id {
			return c
		}
	}
	require.Failf(t, "no case", "%s among %s", id, outcome(run))
	return report.Case{}
}

func TestWhatKernelsDo(t *testing.T) {
	panics := console.Find("Kernel panic - not syncing: no init\n")
	for _, tc := range []struct {
		name   string
		kernel kernelFunc
		want   string
		detail string // of the failed case
		boots  int
	}{
		{"all well", func(_ context.Context, _ int, c harness.Command) (harness.Result, error) {
			say(t, c.Stdout, all)
			return took(0), nil
		}, "a passed, b passed, c passed", "", 1},

		{"a deviation", func(_ context.Context, _ int, c harness.Command) (harness.Result, error) {
			say(t, c.Stdout, all, "b")
			return took(1), nil
		}, "a passed, b failed, c passed", "expected = ok\n  came     ! EPERM", 1},

		{"one boot without a word", func(_ context.Context, boot int, c harness.Command) (harness.Result, error) {
			if boot == 1 {
				return lost, &harness.BootError{Reason: "no word from the guest within 1m"}
			}
			say(t, c.Stdout, all)
			return took(0), nil
		}, "a passed, b passed, c passed", "", 2},

		{"no word ever", func(context.Context, int, harness.Command) (harness.Result, error) {
			return lost, &harness.BootError{Image: "k", Reason: "no word from the guest within 1m"}
		}, "kernel/boot failed", "k does not boot: no word from the guest", 2},

		{"no kernel", func(context.Context, int, harness.Command) (harness.Result, error) {
			return harness.Result{}, &harness.BootError{Image: "k", Reason: "not a Linux kernel image"}
		}, "kernel/boot failed", "not a Linux kernel image", 1},

		{"a panic at once", func(context.Context, int, harness.Command) (harness.Result, error) {
			res := lost
			res.KernelTrouble, res.Console = panics, "booting\nKernel panic - not syncing: no init"
			return res, &harness.BootError{Image: "k", Reason: "kernel panic: no init"}
		}, "kernel/boot failed, kernel/console failed", "kernel panic: no init", 1},

		{"death in a scenario", func(_ context.Context, _ int, c harness.Command) (harness.Result, error) {
			say(t, c.Stdout, all[:1])
			res := took(-1)
			res.Console = "so far so good\n"
			return res, &harness.DiedError{Image: "k", Reason: "its machine ended with signal: killed"}
		}, "a passed, b failed, c not run", "signal: killed\nin this scenario or soon after it: ", 1},

		{"death after the last", func(_ context.Context, _ int, c harness.Command) (harness.Result, error) {
			say(t, c.Stdout, all)
			return took(-1), &harness.DiedError{Image: "k", Reason: "kernel panic: late"}
		}, "a passed, b passed, c passed, kernel/end failed", "kernel panic: late", 1},

		{"a hang", func(_ context.Context, _ int, c harness.Command) (harness.Result, error) {
			say(t, c.Stdout, all[:2])
			return took(-1), &harness.TimeoutError{Image: "k", After: time.Minute}
		}, "a passed, b passed, c failed", "did not finish within 1m0s", 1},

		{"a crash of the suite", func(_ context.Context, _ int, c harness.Command) (harness.Result, error) {
			say(t, c.Stdout, all[:1])
			_, err := c.Stderr.Write([]byte("panic: runtime error: index out of range\n"))
			require.NoError(t, err)
			return took(2), nil
		}, "a passed, b failed, c not run", "exit status 2: panic: runtime error", 1},

		{"a suite that is killed", func(_ context.Context, _ int, c harness.Command) (harness.Result, error) {
			say(t, c.Stdout, all[:1])
			res := took(137)
			res.Console = "Out of memory: Killed process 68\n"
			return res, nil
		}, "a passed, b failed, c not run", "killed by signal 9", 1},

		{"a suite that cannot run", func(_ context.Context, _ int, c harness.Command) (harness.Result, error) {
			_, err := c.Stderr.Write([]byte("nkconform: the kernel has no bpf(2)\n"))
			require.NoError(t, err)
			return took(2), nil
		}, "kernel/suite failed, a not run, b not run, c not run", "the kernel has no bpf(2)", 1},

		{"a suite that ends early", func(_ context.Context, _ int, c harness.Command) (harness.Result, error) {
			say(t, c.Stdout, all[:2])
			return took(0), nil
		}, "a passed, b passed, c failed", "ended before this", 1},

		{"a warning", func(_ context.Context, _ int, c harness.Command) (harness.Result, error) {
			say(t, c.Stdout, all)
			res := took(0)
			res.KernelTrouble, res.Console = console.Find("WARNING: CPU: 0\n"), "WARNING: CPU: 0\n"
			return res, nil
		}, "a passed, b passed, c passed, kernel/console failed", "WARNING: CPU: 0", 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := &room{kernels: map[string]kernelFunc{"k": tc.kernel}}
			got, err := Run(t.Context(), entries("k"), suite(t), Options{machines: r})
			require.NoError(t, err)
			run := got.Runs[0]
			require.Equal(t, tc.want, outcome(run))
			require.Equal(t, tc.boots, r.boots["k"])
			require.Equal(t, tc.detail == "", got.OK())
			if tc.detail != "" {
				bad := strings.Fields(tc.want[:strings.Index(tc.want, " failed")])
				c := find(t, run, bad[len(bad)-1])
				require.Contains(t, c.Failure.String(), tc.detail)
				require.Equal(t, strings.HasPrefix(c.ID, "kernel/"), c.Trace == "", "the trace comes with a scenario")
			}
			require.Equal(t, strings.Contains(tc.want, "kernel/console") || tc.name == "death in a scenario" || tc.name == "a suite that is killed", run.Console != "")
		})
	}
}

func passes(t *testing.T) kernelFunc {
	return func(_ context.Context, _ int, c harness.Command) (harness.Result, error) {
		say(t, c.Stdout, all)
		return took(0), nil
	}
}

func TestRowsKeepTheirOrder(t *testing.T) {
	r := &room{kernels: map[string]kernelFunc{"k1": passes(t), "k3": passes(t)}}
	rows := append(entries("k1", "k2"), Entry{"k3", "vng"})
	got, err := Run(t.Context(), rows, suite(t), Options{machines: r, Jobs: 2})
	require.NoError(t, err, "two of three could be tried")
	require.Equal(t, "k1", got.Runs[0].Name)
	require.Equal(t, "kernel/image failed", outcome(got.Runs[1]))
	require.Equal(t, "image k2: there is none", got.Runs[1].Cases[0].Failure.Detail)
	require.Equal(t, "k3@vng", got.Runs[2].Name)
	require.Equal(t, report.Count{Passed: 6, Failed: 1}, got.Count())
	require.False(t, got.OK())
}

func TestNothingCouldBeTried(t *testing.T) {
	r := &room{kernels: map[string]kernelFunc{"k": func(context.Context, int, harness.Command) (harness.Result, error) {
		return harness.Result{}, &harness.UnavailableError{Machine: "qemu", Missing: "install it"}
	}}}
	_, err := Run(t.Context(), entries("k", "none"), suite(t), Options{machines: r})
	require.ErrorContains(t, err, "machine qemu is not available: install it")
	require.ErrorContains(t, err, "image none: there is none")
}

func TestAtMostJobsAtOnce(t *testing.T) {
	r := &room{kernels: map[string]kernelFunc{}}
	var names []string
	for _, n := range []string{"k1", "k2", "k3", "k4", "k5", "k6"} {
		r.kernels[n] = passes(t)
		names = append(names, n)
	}
	_, err := Run(t.Context(), entries(names...), suite(t), Options{machines: r, Jobs: 2})
	require.NoError(t, err)
	require.LessOrEqual(t, r.most, 2)
	require.Len(t, r.boots, 6)
}

func TestInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	half := func(ctx context.Context, _ int, c harness.Command) (harness.Result, error) {
		say(t, c.Stdout, all[:1])
		cancel()
		<-ctx.Done()
		return took(-1), ctx.Err()
	}
	r := &room{kernels: map[string]kernelFunc{"k1": passes(t), "k2": half, "k3": passes(t)}}
	got, err := Run(ctx, entries("k1", "k2", "k3"), suite(t), Options{machines: r, Jobs: 1})
	require.NoError(t, err)
	require.True(t, got.Interrupted)
	require.Equal(t, "a passed, b passed, c passed", outcome(got.Runs[0]))
	require.Equal(t, "a passed", outcome(got.Runs[1]))
	require.Equal(t, "interrupted: 1 of 3 scenarios have run", got.Runs[1].Stopped)
	require.Empty(t, got.Runs[1].Console, "the kernel did nothing wrong")
	require.Equal(t, "not run: interrupted", got.Runs[2].Stopped)
	require.False(t, got.OK())
}

// What a kernel has said before it was interrupted is not lost.
func TestInterruptedWithTrouble(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	warns := func(ctx context.Context, _ int, c harness.Command) (harness.Result, error) {
		say(t, c.Stdout, all[:1])
		cancel()
		res := took(-1)
		res.KernelTrouble, res.Console = console.Find("WARNING: CPU: 0\n"), "WARNING: CPU: 0\n"
		return res, ctx.Err()
	}
	r := &room{kernels: map[string]kernelFunc{"k": warns}}
	got, err := Run(ctx, entries("k"), suite(t), Options{machines: r})
	require.NoError(t, err)
	require.Equal(t, "a passed, kernel/console failed", outcome(got.Runs[0]))
	require.Equal(t, "interrupted: 1 of 3 scenarios have run", got.Runs[0].Stopped)
	require.NotEmpty(t, got.Runs[0].Console)
}

func TestTotalLimit(t *testing.T) {
	hangs := func(ctx context.Context, _ int, c harness.Command) (harness.Result, error) {
		<-ctx.Done()
		return lost, ctx.Err()
	}
	r := &room{kernels: map[string]kernelFunc{"k": hangs}}
	got, err := Run(t.Context(), entries("k"), suite(t), Options{machines: r, Total: time.Millisecond})
	require.NoError(t, err)
	require.Contains(t, got.Runs[0].Stopped, "the time limit for all kernels has passed")
}

func TestDeviationsAreHeldAgainstEveryKernel(t *testing.T) {
	known, err := deviation.Parse("known", "kernels: k1\ncase: b\nmessage: EPERM\nreason: old\n")
	require.NoError(t, err)
	s := suite(t)
	s.Deviations = known
	deviates := func(_ context.Context, _ int, c harness.Command) (harness.Result, error) {
		say(t, c.Stdout, all, "b")
		return took(1), nil
	}
	r := &room{kernels: map[string]kernelFunc{"k1": deviates, "k2": deviates}}
	got, err := Run(t.Context(), entries("k1", "k2"), s, Options{machines: r})
	require.NoError(t, err)
	require.Equal(t, "a passed, b known, c passed", outcome(got.Runs[0]))
	require.Equal(t, "a passed, b failed, c passed", outcome(got.Runs[1]))
}

func TestWatch(t *testing.T) {
	var stages []Stage
	r := &room{kernels: map[string]kernelFunc{"k": passes(t)}}
	_, err := Run(t.Context(), entries("k"), suite(t), Options{machines: r, Watch: func(e Event) { stages = append(stages, e.Stage) }})
	require.NoError(t, err)
	require.Equal(t, []Stage{Fetching, Booting, Running, Running, Running, Done}, stages)
}
