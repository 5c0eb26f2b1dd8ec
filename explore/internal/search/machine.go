// Package search looks for a schedule that breaks an invariant, on anything that can
// be driven action by action.
package search

// Kind is what happens.
type Kind uint8

// The kinds of actions, in the order in which they are tried.
const (
	Call  Kind = iota // an agent's call is made and answered
	Crash             // an agent is killed, before its next call or when it has made its last
	Fail              // an agent's call is not made, but refused
	Lose              // an agent's call is made, but its answer is an error
	Event             // something happens that no agent does
)

// Action is one thing that can happen next.
type Action struct {
	Agent int8
	Kind  Kind
	N     uint8 // which of an agent's calls, or which event
	Fault uint8 // of Fail and Lose: which
}

// switches reports whether the action lets another agent go on than the last one did.
func (a Action) switches(last int8) bool { return a.Kind != Event && last >= 0 && a.Agent != last }

// free reports whether an action is something that agents do by themselves.
func (a Action) free() bool { return a.Kind == Call }

// Key tells states apart: of the kernel, and of the agents and whatever else the future
// depends on.
type Key [2]uint64

// Broken is an invariant that does not hold.
type Broken struct {
	Name string // of the invariant, or of what is wrong in general
	Text string // why, one sentence
}

// Machine is what is explored. An error of its methods ends the exploration: not a
// finding, but something that makes exploring pointless.
type Machine interface {
	// Reset goes to the start.
	Reset() error
	// Actions appends what can happen next. When no agent can do anything, the run is over.
	Actions([]Action) []Action
	// Do makes something happen.
	Do(Action) error
	// Check tells which invariant does not hold now; over says that the run is over.
	Check(over bool) (*Broken, error)
	// Key tells the state.
	Key() Key
	// Shape tells what repeats when agents go round in circles.
	Shape() uint64
	// Touches says what an action reads and writes, as bits; actions that have nothing
	// written in common can be swapped. Not all machines know.
	Touches(Action) (reads, writes uint64)
}

// Saver is a machine that can go back to where it was, by depth.
type Saver interface {
	Save(depth int)
	Restore(depth int)
}

// Finding is a schedule that breaks an invariant.
type Finding struct {
	Broken
	Path []Action
	// Cycle is how many actions at the end of Path repeat for ever; 0: none.
	Cycle int
}

// cost is what shrinking makes less, the first first.
func (f *Finding) cost() (c [3]int) {
	last := int8(-1)
	for _, a := range f.Path {
		if !a.free() {
			c[0]++
		}
		if a.switches(last) {
			c[1]++
		}
		if a.Kind != Event {
			last = a.Agent
		}
	}
	c[2] = len(f.Path)
	return c
}

func less(a, b [3]int) bool {
	for i := range a {
		if a[i] != b[i] {
			return a[i] < b[i]
		}
	}
	return false
}
