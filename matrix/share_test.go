package matrix

import (
	"context"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nkconform/nkconform/harness"
	"github.com/nkconform/nkconform/harness/console"
	"github.com/nkconform/nkconform/report"
)

// part is the share of a, b and c that a guest of two has to run.
func part(t *testing.T, c harness.Command) []string {
	i := slices.Index(c.Argv, "--part")
	require.Equal(t, 2, i, "%q", c.Argv)
	list, err := Shard(all, c.Argv[i+1])
	require.NoError(t, err)
	return list
}

func shared(t *testing.T, ctx context.Context, kernel kernelFunc) *report.Run {
	s := suite(t)
	s.Argv = []string{"run", "--"}
	r := &room{kernels: map[string]kernelFunc{"k": kernel}}
	results, err := Run(ctx, entries("k"), s, Options{Guests: 2, machines: r})
	require.NoError(t, err)
	return results.Runs[0]
}

func TestGuestsShareASuite(t *testing.T) {
	for _, tc := range []struct {
		name, want, detail string
		kernel             kernelFunc
	}{
		{"all well", "a passed, b passed, c passed", "", func(_ context.Context, _ int, c harness.Command) (harness.Result, error) {
			say(t, c.Stdout, part(t, c))
			return took(0), nil
		}},
		{"a failure", "a passed, b failed, c passed", "came     ! EPERM", func(_ context.Context, _ int, c harness.Command) (harness.Result, error) {
			say(t, c.Stdout, part(t, c), "b")
			return took(1), nil
		}},
		{"one dies", "a passed, b passed, c failed", "killed", func(_ context.Context, _ int, c harness.Command) (harness.Result, error) {
			say(t, c.Stdout, part(t, c)[:1])
			if part(t, c)[0] == "b" {
				return took(0), nil
			}
			return took(-1), &harness.DiedError{Image: "k", Reason: "its machine ended with signal: killed"}
		}},
		{"one cannot run", "a not run, b passed, c not run, kernel/suite failed", "exit status 2", func(_ context.Context, _ int, c harness.Command) (harness.Result, error) {
			if part(t, c)[0] == "b" {
				say(t, c.Stdout, []string{"b"})
			} else {
				say(t, c.Stdout, []string{})
				return took(2), nil
			}
			return took(0), nil
		}},
		{"none boots", "kernel/boot failed", "not a Linux kernel image", func(context.Context, int, harness.Command) (harness.Result, error) {
			return harness.Result{}, &harness.BootError{Image: "k", Reason: "not a Linux kernel image"}
		}},
		{"both complain", "a passed, b passed, c passed, kernel/console failed", "WARNING: a\nWARNING: b", func(_ context.Context, _ int, c harness.Command) (harness.Result, error) {
			say(t, c.Stdout, part(t, c))
			res := took(0)
			res.KernelTrouble, res.Console = console.Find("WARNING: "+part(t, c)[0]), "WARNING"
			return res, nil
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			run := shared(t, context.Background(), tc.kernel)
			assert.Equal(t, tc.want, outcome(run))
			for _, c := range run.Cases {
				if c.Status == report.Failed {
					assert.Contains(t, c.Failure.String(), tc.detail)
				}
			}
		})
	}
}

// The times are those of the slowest guest.
func TestSharedTimes(t *testing.T) {
	run := shared(t, context.Background(), func(_ context.Context, _ int, c harness.Command) (harness.Result, error) {
		say(t, c.Stdout, part(t, c))
		res := took(0)
		res.Total = time.Duration(len(part(t, c))) * time.Second
		return res, nil
	})
	assert.Equal(t, &report.VM{Machine: "qemu", Accel: "tcg", Boots: 1, Boot: 1, Total: 2, Guests: 2}, run.VM)
	assert.Equal(t, 1.0, run.Seconds)
	assert.Equal(t, "7.1.13", run.Kernel.Release)
}

func TestInterruptedShares(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	run := shared(t, ctx, func(ctx context.Context, boot int, c harness.Command) (harness.Result, error) {
		say(t, c.Stdout, part(t, c)[:1])
		if boot == 2 {
			cancel()
		}
		<-ctx.Done()
		return took(-1), ctx.Err()
	})
	assert.Equal(t, "interrupted: 2 of 3 scenarios have run", run.Stopped)
	assert.Equal(t, "a passed, b passed", outcome(run))
}

// A kernel that is not alone has its cores to itself only where there are enough.
func TestGuests(t *testing.T) {
	m := &matrix{suite: suite(t)}
	e := entries("k")[0]
	assert.Equal(t, 1, m.guests(e, 1), "three scenarios are not worth two boots")
	m.options.Guests = 2
	assert.Equal(t, 2, m.guests(e, 10))
	m.options.Guests = 5
	assert.Equal(t, 3, m.guests(e, 1), "not more than scenarios")

	for range 3 * minShare {
		m.suite.Scenarios = append(m.suite.Scenarios, m.suite.Scenarios[0])
	}
	m.options.Guests = 0
	assert.Equal(t, min(3, runtime.NumCPU(), Jobs()), m.guests(e, 1))
	assert.Equal(t, 1, m.guests(e, runtime.NumCPU()+1))
}
