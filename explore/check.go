package explore

import (
	"errors"
	"fmt"

	"github.com/nkconform/nkconform/explore/internal/search"
)

// Check implements [search.Machine].
func (m *machine) Check(over bool) (*search.Broken, error) {
	for i := range m.agents {
		s, name := &m.agents[i], m.world.agents[i].name
		switch {
		case s.node.err != nil && errors.Is(s.node.err, errPanic), errors.Is(s.node.err, errGoexit):
			return &search.Broken{Name: "agent " + name, Text: s.node.err.Error()}, nil
		case over && !s.dead && len(s.node.pending) > 0:
			return &search.Broken{Name: "agent " + name, Text: fmt.Sprintf("it never ends: it has made %d calls, with nobody else left to act, "+
				"and the next is %s", s.node.calls, s.node.pending[0])}, nil
		}
	}
	for n := range m.world.invariants {
		i := &m.world.invariants[n]
		if i.kind == finally && !over {
			continue
		}
		err := m.ask(i)
		var wrong *wrongError
		if errors.As(err, &wrong) {
			return nil, err
		}
		if i.kind == onceHeld {
			if err == nil {
				m.held |= 1 << i.number
				m.ever |= 1 << i.number
				continue
			}
			if m.held&(1<<i.number) == 0 {
				continue
			}
		}
		if err != nil {
			return &search.Broken{Name: i.name, Text: err.Error()}, nil
		}
	}
	return nil, nil
}

// unheld names the invariants that are to hold once they have, and never did.
func (m *machine) unheld() (names []string) {
	for _, i := range m.world.invariants {
		if i.kind == onceHeld && m.ever&(1<<i.number) == 0 {
			names = append(names, i.name)
		}
	}
	return names
}

// ask asks an invariant.
func (m *machine) ask(i *invariant) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = &wrongError{fmt.Sprintf("invariant %q panics: %v%s", i.name, r, panicking())}
		}
	}()
	return i.holds(State{m})
}

// wrongError says that an invariant is wrong, not what it is about.
type wrongError struct{ text string }

func (e *wrongError) Error() string { return e.text }
