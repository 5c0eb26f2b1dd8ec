package conformance

import (
	"github.com/nkconform/nkconform/mprog"
	"github.com/nkconform/nkconform/trace"
)

// Live plays statements as they come, one after the other.
type Live struct{ c *checker }

// NewLive returns a player of statements on a fresh environment.
func NewLive(env mprog.Environment) *Live { return &Live{newChecker(env, &trace.File{})} }

// Acting has a function told when the calls of a statement begin that are its own, and
// that they have ended: before and after them hooks are asked for their state.
func (l *Live) Acting(tell func(bool)) { l.c.acting = tell }

// Do performs a statement and returns what came. The error is not a refusal, which is
// an answer: it wraps [mprog.ErrUnsupported] where the environment cannot perform the
// statement, and [ErrPanic] where it broke down.
func (l *Live) Do(s *trace.Statement) (trace.Outcome, error) { return l.c.answer(s) }

// AnswerOf writes what came as a scenario would: nothing where success says all, a
// refusal without the state that it left alone.
func AnswerOf(came trace.Outcome) trace.Answer {
	o := concise(came)
	if o.Errno == 0 && o.Fields == nil && !o.Listed {
		return trace.Answer{}
	}
	return trace.Answer{Outcomes: []trace.Outcome{o}}
}

// Name returns what the trace calls a program or a link, by its id, or the id.
func (l *Live) Name(kind mprog.ObjectKind, id uint32) string {
	if kind == mprog.LinkObject {
		return name(l.c.names.link, id)
	}
	return name(l.c.names.prog, id)
}
