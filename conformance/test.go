package conformance

import (
	"strings"
	"testing"

	"github.com/nkconform/nkconform"
	"github.com/nkconform/nkconform/mprog"
)

// Test runs the suite, each scenario as a subtest on an environment of its
// own, which newEnvironment makes and Test shuts down. Patterns choose
// scenarios as in [Select]; without patterns all run.
//
// A scenario that the environment cannot perform (mprog.ErrUnsupported) is
// skipped with the reason. There are no false failures: every expected answer
// has been seen on a real kernel. What failures have in common is logged at the end.
func Test(t *testing.T, newEnvironment func(testing.TB) mprog.Environment, patterns ...string) {
	all, err := Load(nkconform.Scenarios())
	if err != nil {
		t.Fatal(err)
	}
	chosen, err := Select(all, patterns...)
	if err != nil {
		t.Fatal(err)
	}
	var failed []Failing
	var passed []Scenario
	for _, s := range chosen {
		t.Run(s.ID, func(t *testing.T) {
			env := newEnvironment(t)
			r := Run(env, s)
			if err := env.Shutdown(); err != nil {
				t.Errorf("shut down: %v", err)
			}
			switch r.Status {
			case Skipped:
				t.Skip(r.Reason)
			case Failed:
				failed = append(failed, Failing{s, r.Failure})
				t.Errorf("%s\n%s", s.Rule, r.Failure)
			case Passed:
				passed = append(passed, s)
			}
		})
	}
	if common := Summary(failed, passed); common != "" {
		t.Log(strings.TrimSpace(common))
	}
}
