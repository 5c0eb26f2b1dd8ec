package explore

import (
	"fmt"
	"testing"
	"time"

	"github.com/nkconform/nkconform/explore/internal/search"
)

// Test explores a world that a function sets up, in a test, which fails with what is
// found. An exploration that is not complete is told, and fails only if it has found
// something. Of a test's flags -explore.replay, -explore.random, -explore.seed,
// -explore.time and -explore.all come before the options.
func Test(t *testing.T, setup func(*World), opts ...Option) *Report {
	t.Helper()
	r, err := explore(t, setup, append(opts, flagged()...))
	if err != nil {
		t.Fatalf("explore: %v", err)
	}
	if len(r.Findings) > 0 {
		t.Errorf("explore: %s", r)
	} else {
		t.Logf("explore: %s", r)
	}
	return r
}

// Look is Test for who wants the report, whatever it says: it does not fail. The error
// is what makes exploring pointless, such as an agent that does not do the same again.
func Look(t *testing.T, setup func(*World), opts ...Option) (*Report, error) {
	return explore(t, setup, opts)
}

// Run is [Look] outside of tests, for agents of one goroutine that do not sleep: there
// is no bubble of testing/synctest.
func Run(setup func(*World), opts ...Option) (*Report, error) { return explore(nil, setup, opts) }

// shrinking is how many runs shrinking takes at most.
const shrinking = 20_000

func explore(t *testing.T, setup func(*World), opts []Option) (*Report, error) {
	o := newOptions(opts)
	m, err := newMachine(setup, t, o)
	if err != nil {
		return nil, err
	}
	defer m.close()
	began := time.Now()
	s := &search.Search{
		Machine: m, Reduce: !o.plain, All: o.all,
		Limits: search.Limits{Runs: o.runs, States: o.states, Preemptions: o.preemptions},
	}
	if o.time > 0 {
		s.Limits.Until = began.Add(o.time)
	}
	switch {
	case o.replay != "":
		err = m.replay(s, o.replay)
	case o.random > 0:
		s.Limits.Runs = o.random
		if err = s.Random(o.seed, o.depth); err == nil && s.Stats.Cut == "" {
			s.Stats.Cut = fmt.Sprintf("runs chosen at random, with seed %d", o.seed)
		}
	default:
		err = s.Run()
	}
	if err != nil {
		return nil, err
	}
	r := &Report{
		Runs: s.Stats.Runs, Ended: s.Stats.Ended, States: s.Stats.States, Calls: s.Stats.Actions, Depth: s.Stats.Depth,
		Cut: s.Stats.Cut, Took: time.Since(began), Executions: m.executions, Unheld: m.unheld(),
	}
	if r.Cut == "" && len(s.Findings) > 0 && !o.all {
		r.Cut = "the first finding"
	}
	r.Complete = r.Cut == ""
	for _, f := range s.Findings {
		small, err := search.Shrink(m, f, shrinking)
		if err != nil {
			return nil, err
		}
		told, err := m.finding(setup, o, small, len(f.Path))
		if err != nil {
			return nil, err
		}
		r.Findings = append(r.Findings, told)
	}
	return r, nil
}

// replay plays one schedule.
func (m *machine) replay(s *search.Search, schedule string) error {
	path, err := m.world.read(schedule)
	if err != nil {
		return err
	}
	done, f, err := search.Play(m, path)
	if err != nil {
		return err
	}
	s.Stats = search.Stats{Runs: 1, Ended: 1, Actions: len(done), Depth: len(done), Cut: "one schedule was replayed"}
	if f != nil {
		s.Findings = append(s.Findings, f)
	}
	return nil
}
