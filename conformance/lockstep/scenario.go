package lockstep

import (
	"errors"
	"fmt"

	"github.com/nkconform/nkconform/conformance"
	"github.com/nkconform/nkconform/trace"
)

// Scenario writes a finding as the text of a scenario, with the answers of the
// second backend. The last step has no answer if the second backend cannot give
// it again.
func (t *Tester) Scenario(f *Finding, rule string) (string, error) {
	return t.Record(f.Sequence, rule)
}

// Record performs a sequence on a new environment of the second backend and
// writes it with the answers, up to a step at which that breaks down.
func (t *Tester) Record(s Sequence, comment string) (string, error) {
	env, err := t.b.New()
	if err != nil {
		return "", err
	}
	file, err := conformance.Record(env, s.Trace())
	if errors.Is(err, conformance.ErrPanic) { // it may not even shut down any more
		err = nil
	} else {
		err = errors.Join(err, env.Shutdown())
	}
	if err != nil {
		return "", fmt.Errorf("record: %w", err)
	}
	file.Lines = append([]trace.Line{{Comment: comment}}, file.Lines...)
	return file.String(), nil
}

// Describe writes one of a finding's answers for people.
func (f *Finding) Describe(a Answer) string {
	if a.Panic != "" {
		return "panic: " + a.Panic
	}
	p := &printer{stage: f.Stage, names: map[int16]string{}}
	p.collect(f.Steps)
	o := trace.Outcome{Errno: a.Errno}
	if f.Hook != nil || a.Revision != 0 {
		o.Fields = append(o.Fields, trace.Field{Name: "revision", Value: fmt.Sprint(a.Revision)})
		o.Listed = true
	}
	for _, array := range []trace.Field{
		{Name: "prog_attach_flags", Value: a.ProgAttachFlags}, {Name: "link_attach_flags", Value: a.LinkAttachFlags},
	} {
		if array.Value != "" {
			o.Fields = append(o.Fields, array)
		}
	}
	for _, e := range a.Entries {
		entry := trace.Entry{Prog: p.object(slotOrUnknown(e.Prog))}
		if e.Link != -1 {
			entry.Link = p.object(slotOrUnknown(e.Link))
		}
		o.List = append(o.List, entry)
	}
	if len(a.Filters) > 0 {
		p.filters(&o, a.Filters)
	}
	text := o.String()
	if f.Hook != nil {
		text = p.deviceName(f.Hook.Device) + ":" + f.Hook.Type.String() + " " + text
	}
	if a.Info != (Described{}) {
		text += fmt.Sprintf(" %+v", a.Info)
	}
	return text
}

// slotOrUnknown returns a slot, or a number that nothing has.
func slotOrUnknown(n int16) Ref {
	if n < 0 {
		return raw(unbound)
	}
	return slot(n)
}
