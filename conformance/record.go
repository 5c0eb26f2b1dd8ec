package conformance

import (
	"errors"
	"fmt"

	"github.com/nkconform/nkconform/mprog"
	"github.com/nkconform/nkconform/trace"
)

// ErrPanic says that an environment broke down instead of answering.
var ErrPanic = errors.New("panic")

// Record plays a trace and returns it with the answers that came. What a
// statement answered before does not matter. With ErrPanic comes the trace up to
// the statement that has no answer, which a comment tells of.
func Record(env mprog.Environment, f *trace.File) (*trace.File, error) {
	c := newChecker(env, f)
	out := &trace.File{Name: f.Name}
	for _, l := range f.Lines {
		if l.Statement == nil {
			out.Lines = append(out.Lines, l)
			continue
		}
		s := *l.Statement
		s.Answer = trace.Answer{Any: true}
		came, err := c.answer(&s)
		if errors.Is(err, ErrPanic) {
			s.Answer = trace.Answer{}
			out.Lines = append(out.Lines, trace.Line{Statement: &s, Comment: fmt.Sprintf("# %q", err)})
			return out, fmt.Errorf("%s:%d: %s: %w", f.Name, s.Line, s.Call(), err)
		}
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %s: %w", f.Name, s.Line, s.Call(), err)
		}
		s.Answer = AnswerOf(came)
		out.Lines = append(out.Lines, trace.Line{Statement: &s, Comment: l.Comment})
	}
	return out, nil
}

// answer is what comes of a statement.
func (c *checker) answer(s *trace.Statement) (came trace.Outcome, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%w: %v", ErrPanic, r)
		}
	}()
	came, _, err = c.observe(s)
	return came, err
}
