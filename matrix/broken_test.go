package matrix

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nkconform/nkconform/harness"
	"github.com/nkconform/nkconform/harness/console"
	"github.com/nkconform/nkconform/report"
	"github.com/nkconform/nkconform/trace"
)

// oops is what a kernel prints that breaks while a task runs.
func oops(task string) []console.Complaint {
	return console.Find("BUG: unable to handle page fault\nCPU: 0 PID: 68 Comm: " + task + " Not tainted 7.3\nRIP: 0010:f+0x1/0x2\n---[ end trace 0 ]---\n")
}

// What a kernel says when it breaks names the scenario that ran, and is told with it.
func TestBrokenKernels(t *testing.T) {
	for _, tc := range []struct {
		name, task string
		reported   []string
		want       string
		detail     string // of kernel/console
	}{
		{"in the next", TaskName(2), all[:1], "a passed, b failed, c not run, kernel/console failed", "in b:\nBUG: unable"},
		{"in the one after that", TaskName(3), all[:1], "a passed, b not run, c failed, kernel/console failed", "in c:\nBUG: unable"},
		{"before any result", TaskName(1), nil, "a failed, b not run, c not run, kernel/console failed", "in a:\n"},
		{"in the last, after its result", TaskName(3), all, "a passed, b passed, c passed, kernel/end failed, kernel/console failed", "in c:\n"},
		{"in one that has its result", TaskName(1), all[:2], "a passed, b passed, c not run, kernel/console failed", "in a:\n"},
		{"in a task of its own", "kworker/0:1", all[:1], "a passed, b not run, c not run, kernel/console failed", "soon after a ended:\nBUG: unable to handle page fault\nCPU: 0"},
		{"in a task of its own, before any result", "kworker/0:1", nil, "kernel/suite failed, a not run, b not run, c not run, kernel/console failed", "BUG: unable"},
		{"in none of these", TaskName(4), all[:1], "a passed, b not run, c not run, kernel/console failed", "soon after a ended:\nBUG: unable"},
		{"in the suite's other threads", "nkconform", all[:1], "a passed, b not run, c not run, kernel/console failed", "soon after a ended:\n"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for _, dies := range []bool{true, false} {
				r := &room{kernels: map[string]kernelFunc{"k": func(_ context.Context, _ int, c harness.Command) (harness.Result, error) {
					require.True(t, c.Steady)
					say(t, c.Stdout, tc.reported)
					if res := took(137); !dies {
						res.KernelTrouble = oops(tc.task)
						return res, nil
					}
					res := took(-1)
					res.KernelTrouble = oops(tc.task)
					return res, &harness.DiedError{Image: "k", Reason: "its kernel broke"}
				}}}
				got, err := Run(t.Context(), entries("k"), suite(t), Options{machines: r})
				require.NoError(t, err)
				require.Equal(t, tc.want, outcome(got.Runs[0]))
				require.True(t, strings.HasPrefix(find(t, got.Runs[0], "kernel/console").Failure.Detail, tc.detail))
				for _, c := range got.Runs[0].Cases {
					if c.Status == report.NotRun {
						lost := c.ID == "b" && tc.name == "in the one after that"
						require.Equal(t, lost, strings.Contains(c.Reason, "result was lost"), "%s: %s", c.ID, c.Reason)
					}
				}
			}
		})
	}
}

// Of a guest that is alive but whose suite says nothing any more, it is known what the
// suite does.
func TestHangs(t *testing.T) {
	for _, tc := range []struct{ doing, want, detail string }{
		{TaskName(1) + " (S) in futex_wait\n" + TaskName(3) + " (S) in netkit_prog_query\n  netkit_prog_query+0x1/0x2\n" + TaskName(2) + " (S)\n",
			"a passed, b not run, c failed", "hangs: nothing\n" + TaskName(1) + " (S) in futex_wait\n"},
		{TaskName(2) + " (D)\n", "a passed, b failed, c not run", TaskName(2) + " (D)"},
		{TaskName(9) + " (D)\n", "a passed, b failed, c not run", lastWords},
		{"", "a passed, b failed, c not run", lastWords},
	} {
		r := &room{kernels: map[string]kernelFunc{"k": func(_ context.Context, _ int, c harness.Command) (harness.Result, error) {
			say(t, c.Stdout, all[:1])
			res := took(-1)
			res.Doing = tc.doing
			return res, &harness.DiedError{Image: "k", Reason: "it hangs: nothing"}
		}}}
		got, err := Run(t.Context(), entries("k"), suite(t), Options{machines: r})
		require.NoError(t, err)
		require.Equal(t, tc.want, outcome(got.Runs[0]))
		for _, c := range got.Runs[0].Cases {
			if c.Status == report.Failed {
				require.Contains(t, c.Failure.Detail, tc.detail)
			}
		}
	}
}

// What comes after the kernel's message may be from before it: that is kept of the
// scenarios before the one that it names. Of what ran on nothing else is.
func TestResultsOfBrokenKernels(t *testing.T) {
	for _, tc := range []struct {
		task, want string
		exit       error
	}{
		{TaskName(3), "a passed, b passed, c failed, kernel/console failed", &harness.DiedError{Image: "k", Reason: "its kernel broke"}},
		{TaskName(2), "a passed, b failed, c not run, kernel/console failed", nil},
		{"kworker/0:1", "a passed, b not run, c not run, kernel/console failed", nil},
	} {
		r := &room{kernels: map[string]kernelFunc{"k": func(_ context.Context, _ int, c harness.Command) (harness.Result, error) {
			out := say(t, c.Stdout, all[:1])
			c.Broke()
			sayMore(t, out, all[1:])
			res := took(0)
			res.KernelTrouble = oops(tc.task)
			return res, tc.exit
		}}}
		got, err := Run(t.Context(), entries("k"), suite(t), Options{machines: r})
		require.NoError(t, err)
		require.Equal(t, tc.want, outcome(got.Runs[0]), tc.task)
	}
}

// What is not to be blamed for a death without a word is what the kernel cannot have run.
func TestDeathBeforeWhatIsSkipped(t *testing.T) {
	for lacks, want := range map[bool]string{
		false: "a skipped, b not run, c failed",
		true:  "a passed, b failed, c not run",
	} {
		s := suite(t)
		for i := range 2 { // a and b
			var err error
			s.Scenarios[i].Trace, err = trace.Parse(s.Scenarios[i].ID, "# The rule.\nneed !tcx\nprog p\n")
			require.NoError(t, err)
		}
		r := &room{kernels: map[string]kernelFunc{"k": func(_ context.Context, _ int, c harness.Command) (harness.Result, error) {
			a := report.Case{ID: "a", Status: report.Skipped, Reason: "needs a kernel without tcx"}
			if lacks {
				a = report.Case{ID: "a", Status: report.Passed}
			}
			require.NoError(t, say(t, c.Stdout, nil).Case(a))
			return took(-1), &harness.DiedError{Image: "k", Reason: "its machine ended with signal: killed"}
		}}}
		got, err := Run(t.Context(), entries("k"), s, Options{machines: r})
		require.NoError(t, err)
		require.Equal(t, want, outcome(got.Runs[0]))
	}
}
