package conformance

import (
	"errors"
	"fmt"
	"slices"
	"strings"
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

// Run runs one scenario on a fresh environment. It does not shut it down. An environment that
// answers in part for something else has a method Covered, whose error is the reason why a
// scenario that passed shows nothing, and is skipped.
func Run(env mprog.Environment, s Scenario) Result {
	var r Result
	if runner, ok := env.(mprog.Runner); ok {
		if err := runner.Run(func() { r = play(env, s) }); err != nil {
			failure := &Failure{Detail: err.Error()}
			return Result{ID: s.ID, Rule: s.Rule, Status: Failed, Failure: failure}
		}
		return r
	}
	return play(env, s)
}

// clock is a time that only differences mean something of. Where the system is
// asked for the time by a system call, it takes a third of those for two of
// time.Now.
func clock() time.Duration { return time.Since(epoch) }

var epoch = time.Now()

// noErrno begins what is said of an error that is neither an answer nor
// unsupported.
const noErrno = "no answer but an error without an errno: "

func play(env mprog.Environment, s Scenario) Result {
	began := clock()
	r := Result{ID: s.ID, Rule: s.Rule, Status: Passed}
	c := newChecker(env, s.Trace)
	for _, st := range s.Trace.Statements() {
		failure, err := c.step(st)
		switch {
		case errors.Is(err, mprog.ErrUnsupported):
			r.Status, r.Reason = Skipped, err.Error()
		case err != nil:
			failure = &Failure{Line: st.Line, Statement: st.Call(), Detail: noErrno + err.Error()}
		}
		if failure != nil {
			r.Status, r.Failure = Failed, failure
		}
		if r.Status != Passed {
			break
		}
	}
	if r.Status == Passed {
		if c, ok := env.(interface{ Covered() error }); ok {
			if err := c.Covered(); err != nil {
				r.Status, r.Reason = Skipped, err.Error()
			}
		}
	}
	r.Took = clock() - began
	return r
}

// checker plays a trace and knows the state of every hook touched so far.
type checker struct {
	*player
	hooks []place // in the order they were touched first
	last  map[place]trace.Outcome

	ruleless bool // it is not asked by which rule a call was refused
}

func newChecker(env mprog.Environment, f *trace.File) *checker {
	c := &checker{player: newPlayer(env, f), last: map[place]trace.Outcome{}}
	c.follow = c.move
	if m, ok := env.(mistaken); ok {
		c.ruleless = !m.ruled
	}
	return c
}

// move looks for hooks where their device has moved to. They are as they were.
func (c *checker) move(from, to place) {
	for _, h := range slices.Clone(c.hooks) {
		if h.netns == to.netns && h.Ifindex == to.Ifindex {
			c.forget(h) // no device was there
		}
	}
	for i, h := range c.hooks {
		if at := h.moved(from, to); at != h {
			c.hooks[i], c.last[at] = at, c.last[h]
			delete(c.last, h)
		}
	}
}

// forget is for a hook whose state nobody knows.
func (c *checker) forget(h place) {
	delete(c.last, h)
	c.hooks = slices.DeleteFunc(c.hooks, func(other place) bool { return other == h })
}

// step performs a statement and compares. The error is the environment's.
func (c *checker) step(s *trace.Statement) (*Failure, error) {
	came, failure, err := c.observe(s)
	if err != nil {
		return nil, err
	}
	if !c.ruleless && namesRule(s.Answer, came.Errno) {
		came.Rule = ruleOf(c.reason)
	}
	if !s.Answer.Matches(came) {
		failure = &Failure{Expected: expected(s.Answer), Came: shown(came)}
	}
	if failure != nil {
		failure.Line, failure.Statement = s.Line, s.Call()
		if c.reason != nil {
			failure.Detail = c.reason.Error()
		}
		failure.Detail = strings.TrimSuffix(strings.Join(append(rulesOf(s.Answer), failure.Detail), "\n"), "\n")
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
		state, seen, err := c.state(h)
		if err != nil {
			return came, nil, err
		}
		if seen {
			c.last[h] = state
			c.hooks = append(c.hooks, h)
		}
	}
	if came, err = c.do(s); err != nil {
		return came, nil, err
	}
	if failure, err = c.compareHooks(s, came.Errno != 0, touched); err != nil {
		return came, nil, err
	}
	if len(touched) == 1 && !asks(s) && came.Errno == 0 {
		state, known := c.last[touched[0]]
		if known && state.Errno == 0 && c.viewer(touched[0].netns) != nil {
			came.Fields, came.List, came.Listed = state.Fields, state.List, true
		}
	}
	return came, failure, nil
}

// asks reports whether a statement changes nothing.
func asks(s *trace.Statement) bool { return s.Verb == "query" || s.Verb == "filter-list" }

// compareHooks queries every hook touched so far. Only a statement that
// succeeds may change a hook, and only the one it touches.
func (c *checker) compareHooks(s *trace.Statement, refused bool, touched []place) (*Failure, error) {
	var failure *Failure
	for _, h := range slices.Clone(c.hooks) {
		state, seen, err := c.state(h)
		if err != nil {
			return nil, err
		}
		mayChange := !refused && !asks(s) && (slices.Contains(touched, h) || c.names.reaches(s, h, c.last[h]))
		if !seen {
			if mayChange {
				c.forget(h)
			}
			continue
		}
		before := c.last[h]
		c.last[h] = state
		if mayChange || failure != nil || equal(before, state) {
			continue
		}
		why := "an untouched hook"
		if refused {
			why = "a refusal"
		}
		failure = &Failure{
			Expected: fmt.Sprintf("%s unchanged by %s: %s", c.names.hookName(h.Hook), why, before),
			Came:     state.String(),
		}
	}
	return failure, nil
}
