package programs_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/nkconform/nkconform/explore/programs"
	"github.com/nkconform/nkconform/intercept"
	"github.com/nkconform/nkconform/internal/doctor"
)

func TestMain(m *testing.M) { intercept.Main(m, intercept.Options{Skip: true}) }

// build builds the agent of examples/races on cilium/ebpf.
func build(t *testing.T) (path string) {
	t.Helper()
	doctor.NeedProgram(t, "go")
	if doctor.Can("root") != nil {
		doctor.Need(t, "userns")
	}
	path = filepath.Join(t.TempDir(), "agent")
	out, err := exec.Command("go", "build", "-o", path, "../../examples/races/ciliumebpf").CombinedOutput()
	require.NoError(t, err, "%s", out)
	return path
}

// look explores, or skips the test where the machine cannot.
func look(t *testing.T, o programs.Options, when programs.When, invariant string) (*programs.Report, error) {
	t.Helper()
	o.Devices, o.Preemptions = [][2]string{{"nk0", "nk1"}}, -1
	if o.Patience == 0 {
		o.Patience = time.Minute
	}
	if o.Calls == 0 {
		o.Calls = 100
	}
	i, err := programs.ParseInvariant(when, invariant, o.Devices)
	require.NoError(t, err)
	o.Invariants = append(o.Invariants, i)
	r, err := programs.Explore(o)
	if err != nil && strings.Contains(err.Error(), "no kernel to hold") {
		t.Skip(err)
	}
	return r, err
}

// An agent that takes another one's program away is found out, and not one that says
// which it means.
func TestPosition(t *testing.T) {
	agent := build(t)
	const stays = "query nk0:primary = [theirs] | = [guest theirs] | = [theirs guest]"
	world := func(how string) programs.Options {
		return programs.Options{Agents: []programs.Agent{
			{Name: "guest", Command: agent + " nk0 " + how}, {Name: "theirs", Command: agent + " nk0 stay"},
		}}
	}
	r, err := look(t, world(""), programs.OnceHeld, "query nk0:primary = [nobody]")
	require.NoError(t, err)
	require.Equal(t, []string{"query nk0:primary = [nobody]"}, r.Unheld)
	r, err = look(t, world(""), programs.OnceHeld, stays)
	require.NoError(t, err)
	require.Empty(t, r.Unheld)
	require.Len(t, r.Findings, 1)
	f := r.Findings[0]
	require.Equal(t, stays, f.Invariant)
	require.Contains(t, f.Text, "[guest]")
	last := f.Steps[len(f.Steps)-1]
	require.Equal(t, "prog detach nk0:primary", last.Call)
	require.Equal(t, "guest", last.Agent)
	require.Contains(t, f.Trace, "detach nk0:primary")

	again := world("")
	again.Replay = f.Schedule
	r, err = look(t, again, programs.OnceHeld, stays)
	require.NoError(t, err)
	require.Len(t, r.Findings, 1)
	require.Equal(t, f.Steps, r.Findings[0].Steps)

	r, err = look(t, world("fixed"), programs.OnceHeld, stays)
	require.NoError(t, err)
	require.True(t, r.Complete)
	require.Empty(t, r.Findings)
}

// An agent that is killed and started again is so at every moment.
func TestCrash(t *testing.T) {
	agent := build(t)
	r, err := look(t, programs.Options{
		Agents: []programs.Agent{{Name: "theirs", Command: agent + " nk0 stay", Crashes: 1, Restarts: true}},
	}, programs.Finally, "query nk0:primary = [theirs]")
	require.NoError(t, err)
	require.True(t, r.Complete)
	require.Empty(t, r.Findings, "killed in front of its only call, or when it has ended")

	r, err = look(t, programs.Options{
		Agents: []programs.Agent{{Name: "guest", Command: agent + " nk0 fixed", Crashes: 1, Restarts: true}},
	}, programs.Finally, "query nk0:primary = []")
	require.NoError(t, err)
	require.Len(t, r.Findings, 1)
	require.Equal(t, "guest:1,guest!,guest:2", r.Findings[0].Schedule)
}

// An agent that does something else each time is told so.
func TestOtherwise(t *testing.T) {
	agent, count := build(t), filepath.Join(t.TempDir(), "count")
	require.NoError(t, os.WriteFile(count, []byte("0"), 0o666))
	command := fmt.Sprintf("sh -c 'n=$(cat %s); echo $((n+1)) >%[1]s; if [ $n = 0 ]; then exec %s nk0; fi; exit 0'", count, agent)
	_, err := look(t, programs.Options{
		Agents: []programs.Agent{{Name: "one", Command: command}, {Name: "two", Command: agent + " nk0 stay"}},
	}, programs.Always, "test -d /sys/fs/bpf")
	require.ErrorContains(t, err, "agent one: it is about to end, and was about prog attach")
}

// An agent that computes for long is not taken for one that waits.
func TestBusy(t *testing.T) {
	agent := build(t)
	r, err := look(t, programs.Options{
		Agents: []programs.Agent{{
			Name: "theirs", Command: "sh -c 'i=0; while [ $i -lt 2000000 ]; do i=$((i+1)); done; exec " + agent + " nk0 stay'",
		}},
		Patience: 250 * time.Millisecond,
	}, programs.Finally, "query nk0:primary = [theirs]")
	require.NoError(t, err)
	require.True(t, r.Complete)
	require.Empty(t, r.Findings)
}

// An agent of which there is nothing to explore is told, with what it printed.
func TestNothingToExplore(t *testing.T) {
	agent := build(t)
	for command, told := range map[string]string{
		"/bin/nosuch":                    "agent one: /bin/nosuch: it has ended (exit status 127) without a call about hooks, links or pins: ",
		"sh -c 'echo usage >&2; exit 3'": "it has ended (exit status 3) without a call about hooks, links or pins: usage",
		"/bin/true":                      "it has ended (exit status 0) without a call about hooks, links or pins",
	} {
		_, err := look(t, programs.Options{
			Agents: []programs.Agent{{Name: "one", Command: command}, {Name: "two", Command: agent + " nk0 stay"}},
		}, programs.Always, "test -d /sys/fs/bpf")
		require.ErrorContains(t, err, told)
	}
}

// Invariants can be commands, and reach the same kernel.
func TestCommand(t *testing.T) {
	agent := build(t)
	world := programs.Options{Agents: []programs.Agent{{Name: "theirs", Command: agent + " nk0 stay"}}}
	r, err := look(t, world, programs.Finally, "echo nothing is pinned; test -e /sys/fs/bpf/theirs")
	require.NoError(t, err)
	require.Len(t, r.Findings, 1)
	require.Equal(t, "exit status 1 nothing is pinned", r.Findings[0].Text)
	r, err = look(t, world, programs.Always, "test -d /sys/fs/bpf")
	require.NoError(t, err)
	require.True(t, r.Complete)
}

// What is interrupted tells how far it has come.
func TestInterrupted(t *testing.T) {
	agent := build(t)
	var stop atomic.Bool
	world := programs.Options{Agents: []programs.Agent{
		{Name: "one", Command: agent + " nk0 fixed"}, {Name: "two", Command: agent + " nk0 fixed"},
	}}
	world.Stop = &stop
	world.Progress = func(p programs.Progress) { stop.Store(true) }
	world.Random = 100
	r, err := look(t, world, programs.Always, "test -d /sys/fs/bpf")
	require.NoError(t, err)
	require.False(t, r.Complete)
	require.Equal(t, "it was interrupted", r.Cut)
	require.NotZero(t, r.Runs)
}

func TestParseInvariant(t *testing.T) {
	devices := [][2]string{{"nk0", "nk1"}}
	for text, want := range map[string]string{
		"query nk9:primary = []":           "nk9",
		"query nk0:primary":                "says nothing of the answer",
		"query nk0:primary = [ ! ":         "expected",
		"query nk0:primary = [a] ! ESTALE": "expected ok",
	} {
		_, err := programs.ParseInvariant(programs.Always, text, devices)
		require.ErrorContains(t, err, want, text)
	}
}
