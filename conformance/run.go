package conformance

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nkconform/nkconform/mprog"
	"github.com/nkconform/nkconform/trace"
)

// Status is the end of a scenario's run.
type Status string

// The ends that a run can have. Skipped means that the environment lacks what
// the scenario needs, or cannot express one of its statements.
const (
	Passed  Status = "passed"
	Failed  Status = "failed"
	Skipped Status = "skipped"
)

// Result is what one scenario showed on one environment.
type Result struct {
	ID      string
	Rule    string
	Status  Status
	Reason  string   // why skipped
	Failure *Failure // nil unless failed
	Took    time.Duration
}

// Failure is the first step of a scenario that did not go as it must.
type Failure struct {
	Line      int    // of the scenario's file, 0 when no step is to blame
	Statement string // without its answer
	Expected  string
	Came      string
	Detail    string // what the environment said of its refusal, or what else went wrong
}

// Run runs one scenario on a fresh environment. It does not shut it down.
func Run(env mprog.Environment, s Scenario) Result {
	began := time.Now()
	r := Result{ID: s.ID, Rule: s.Rule, Status: Passed}
	c := newChecker(env)
	for _, st := range s.Trace.Statements() {
		failure, err := c.step(st)
		switch {
		case errors.Is(err, mprog.ErrUnsupported):
			r.Status, r.Reason = Skipped, err.Error()
		case err != nil:
			failure = &Failure{Line: st.Line, Statement: st.Call(), Detail: err.Error()}
		}
		if failure != nil {
			r.Status, r.Failure = Failed, failure
		}
		if r.Status != Passed {
			break
		}
	}
	r.Took = time.Since(began)
	return r
}

// checker plays a trace and knows the state of every hook touched so far.
type checker struct {
	*player
	hooks []mprog.Hook // in the order they were touched first
	last  map[mprog.Hook]trace.Outcome
}

func newChecker(env mprog.Environment) *checker {
	return &checker{player: newPlayer(env), last: map[mprog.Hook]trace.Outcome{}}
}

// step performs a statement and compares. The error is the environment's.
func (c *checker) step(s *trace.Statement) (*Failure, error) {
	came, failure, err := c.observe(s)
	if err != nil {
		return nil, err
	}
	if !s.Answer.Matches(came) {
		failure = &Failure{Expected: expected(s.Answer), Came: shown(came)}
	}
	if failure != nil {
		failure.Line, failure.Statement = s.Line, s.Call()
		if c.reason != nil {
			failure.Detail = c.reason.Error()
		}
	}
	return failure, nil
}

// observe performs a statement and returns what came, with the state of the
// hook that it touched, and a failure if it changed what it must not.
func (c *checker) observe(s *trace.Statement) (came trace.Outcome, failure *Failure, err error) {
	touched := c.hooksOf(s)
	for _, h := range touched {
		if _, known := c.last[h]; known {
			continue
		}
		if c.last[h], err = c.state(h); err != nil {
			return came, nil, err
		}
		c.hooks = append(c.hooks, h)
	}
	if came, err = c.do(s); err != nil {
		return came, nil, err
	}
	if failure, err = c.compareHooks(s, came.Errno != 0, touched); err != nil {
		return came, nil, err
	}
	if len(touched) == 1 && s.Verb != "query" {
		if state := c.last[touched[0]]; state.Errno == 0 {
			came.Fields, came.List, came.Listed = state.Fields, state.List, true
		}
	}
	return came, failure, nil
}

// compareHooks queries every hook touched so far. Only a statement that
// succeeds may change a hook, and only the one it touches.
func (c *checker) compareHooks(s *trace.Statement, refused bool, touched []mprog.Hook) (*Failure, error) {
	var failure *Failure
	for _, h := range c.hooks {
		state, err := c.state(h)
		if err != nil {
			return nil, err
		}
		before := c.last[h]
		c.last[h] = state
		mayChange := !refused && s.Verb != "query" && (slices.Contains(touched, h) || c.removes(s, h))
		if mayChange || failure != nil || equal(before, state) {
			continue
		}
		why := "an untouched hook"
		if refused {
			why = "a refusal"
		}
		failure = &Failure{
			Expected: fmt.Sprintf("%s unchanged by %s: %s", c.names.hookName(h), why, before),
			Came:     state.String(),
		}
	}
	return failure, nil
}

// String tells the failure in a few lines.
func (f *Failure) String() string {
	s := fmt.Sprintf("line %d: %s\n  expected %s\n  came     %s", f.Line, f.Statement, f.Expected, f.Came)
	if f.Expected == "" {
		s = fmt.Sprintf("line %d: %s", f.Line, f.Statement)
	}
	if f.Detail != "" {
		s += "\n  " + f.Detail
	}
	return s
}
