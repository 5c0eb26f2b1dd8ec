package picture

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/nkconform/nkconform/fake"
	"github.com/nkconform/nkconform/internal/ids"
	"github.com/nkconform/nkconform/mprog"
	"github.com/nkconform/nkconform/trace"
)

// callOf finds the call that a statement is: of several, as in a range, the last, and
// not the one that asks what has been made.
func callOf(s *trace.Statement, events []*fake.Event) *fake.Event {
	for _, e := range slices.Backward(events) {
		if e.Op != mprog.OpObjectInfo || s.Verb == "info" {
			return e
		}
	}
	return nil
}

// named has a text name objects as the statements do.
func (s *Session) named(text string) string {
	return ids.Replace(text, func(kind string, id uint32) string {
		object := mprog.ProgObject
		if kind == "link" {
			object = mprog.LinkObject
		}
		plain := fmt.Sprintf("%s id %d", kind, id)
		name := s.live.Name(object, id)
		if name == strconv.FormatUint(uint64(id), 10) { // nobody has named it
			return plain
		}
		return plain + " (" + name + ")"
	})
}

// checks are what a call went through.
func (s *Session) checks(e *fake.Event) []Check {
	list := make([]Check, len(e.Steps))
	for i, step := range e.Steps {
		list[i] = Check{Text: s.named(step.Text), Rule: string(step.Rule), Passed: step.Passed}
	}
	return list
}

// rules are the rules by their ids.
var rules = func() map[mprog.Rule]fake.RuleInfo {
	m := map[mprog.Rule]fake.RuleInfo{}
	for _, r := range fake.Rules() {
		m[r.ID] = r
	}
	return m
}()

// refusal tells why a call was refused, nil if it was not.
func (s *Session) refusal(e *fake.Event) *Refusal {
	if e.Err == nil {
		return nil
	}
	errno, _ := mprog.ErrnoOf(e.Err)
	r := &Refusal{Errno: errno.String()}
	if refused := e.Refusal(); refused != nil {
		rule := rules[refused.Rule]
		r.Rule, r.Text, r.Source, r.Found = string(refused.Rule), rule.Text, rule.Source, s.named(refused.Detail)
	} else {
		r.Found = e.Err.Error()
	}
	return r
}
