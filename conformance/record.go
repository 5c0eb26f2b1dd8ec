package conformance

import (
	"fmt"

	"github.com/nkconform/nkconform/mprog"
	"github.com/nkconform/nkconform/trace"
)

// Record plays a trace and returns it with the answers that came. What a
// statement answered before does not matter.
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
		came, _, err := c.observe(&s)
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %s: %w", f.Name, s.Line, s.Call(), err)
		}
		s.Answer = answerFor(&s, came)
		out.Lines = append(out.Lines, trace.Line{Statement: &s, Comment: l.Comment})
	}
	return out, nil
}

// answerFor writes the answer of a statement as a scenario would: nothing
// where success says all.
func answerFor(s *trace.Statement, came trace.Outcome) trace.Answer {
	o := concise(came)
	if o.Errno == 0 && o.Fields == nil && !o.Listed {
		return trace.Answer{}
	}
	return trace.Answer{Outcomes: []trace.Outcome{o}}
}
