package explore

import (
	"fmt"

	"github.com/nkconform/nkconform/fake"
	"github.com/nkconform/nkconform/mprog"
	"github.com/nkconform/nkconform/trace"
)

// World is what is explored: a machine, agents on it, and what must hold. A function
// sets it up, more than once, and always in the same way.
type World struct {
	kernel     *fake.Kernel
	agents     []*agent
	events     []worldEvent
	invariants []invariant
}

// agent is the code of an agent, and what may happen to it.
type agent struct {
	name     string
	index    int
	run      func(mprog.Kernel) error
	crashes  int // how often it may be killed
	restarts bool
	exits    bool
	faults   []fault
	budget   int // of faults
}

// fault is what calls may be answered with.
type fault struct {
	op    mprog.Op // "": any
	errno mprog.Errno
	lost  bool // the call is made all the same
}

// worldEvent is what happens once, at any moment.
type worldEvent struct {
	name string // such as "delete nk0"
	do   func(*fake.Kernel) error
}

type invariant struct {
	name   string
	kind   invariantKind
	holds  func(State) error
	number int // among those of once held
}

type invariantKind uint8

const (
	always invariantKind = iota
	onceHeld
	finally
)

// AgentOption says what may happen to an agent.
type AgentOption func(*agent)

// Crash has the agent killed at any moment, up to n times: before its first call, between any
// two, which is the same as behind one without seeing the answer, and when its function
// has returned. Its fds are closed.
func Crash(n int) AgentOption { return func(a *agent) { a.crashes = n } }

// Restart has the agent started anew when it was killed, from its first line.
func Restart() AgentOption { return func(a *agent) { a.restarts = true } }

// Exits has the agent's process end when its function returns. Else it lives on with
// what it has open, as a daemon does.
func Exits() AgentOption { return func(a *agent) { a.exits = true } }

// Fault has one of the agent's calls of an operation, or of any with "", not made but
// refused with an error number. Faults together come up to n times, with n the number
// of options Fault and LostAnswer given.
func Fault(op mprog.Op, errno mprog.Errno) AgentOption {
	return func(a *agent) { a.faults, a.budget = append(a.faults, fault{op, errno, false}), a.budget+1 }
}

// LostAnswer has one of the agent's calls of an operation, or of any with "", made, but
// answered with an error number, as one that a signal interrupts late.
func LostAnswer(op mprog.Op, errno mprog.Errno) AgentOption {
	return func(a *agent) { a.faults, a.budget = append(a.faults, fault{op, errno, true}), a.budget+1 }
}

// Kernel is the machine as its first process sees it, to set the stage: what that process has
// open, every agent has, too, under the same numbers.
func (w *World) Kernel() *fake.Kernel { return w.kernel }

// Netkit makes a pair of netkit devices, and returns the primary's ifindex.
func (w *World) Netkit(name, peer string) (ifindex uint32) {
	ifindex, _ = w.kernel.Netkit(name, peer)
	return ifindex
}

// Prog loads a program that every agent has open, and returns its fd.
func (w *World) Prog(name string) (fd uint32) {
	fd, err := w.kernel.LoadProg(mprog.ProgSpec{Name: name})
	if err != nil {
		panic(err)
	}
	return fd
}

// maxAgents keeps the agents' ids apart.
const maxAgents = 100

// Agent adds an agent: a function that is its whole process. It may start goroutines
// and sleep, but must keep what it knows to itself: what it shares with others is the
// kernel alone. The kernel it gets is a [Loader] and an [mprog.TrafficControl], too.
func (w *World) Agent(name string, run func(mprog.Kernel) error, opts ...AgentOption) {
	a := &agent{name: name, index: len(w.agents), run: run}
	for _, o := range opts {
		o(a)
	}
	if !trace.IsName(name) {
		panic(fmt.Sprintf("explore: %q is no name for an agent: up to 15 letters, digits, - and _", name))
	}
	for _, other := range w.agents {
		if other.name == name {
			panic(fmt.Sprintf("explore: two agents are called %q", name))
		}
	}
	if len(w.agents) == maxAgents {
		panic("explore: too many agents")
	}
	w.agents = append(w.agents, a)
}

// Delete has a device go at any moment, once, and its peer with it.
func (w *World) Delete(device string) {
	w.events = append(w.events, worldEvent{"delete " + device, func(k *fake.Kernel) error {
		return k.DeleteDevice(k.DeviceNamed(device))
	}})
}

// Replace has a pair of netkit devices go at any moment, once, and another one of the
// same names come at the same time.
func (w *World) Replace(name, peer string) {
	w.events = append(w.events, worldEvent{"replace " + name, func(k *fake.Kernel) error {
		if err := k.DeleteDevice(k.DeviceNamed(name)); err != nil {
			return err
		}
		_, _, err := k.AddDevice(mprog.DeviceSpec{Kind: mprog.Netkit, Name: name, Peer: peer})
		return err
	}})
}

// Always adds what must hold from the start, behind every call: nil if it does, else an
// error that says what is wrong.
func (w *World) Always(name string, holds func(State) error) { w.invariant(name, always, holds) }

// OnceHeld adds what must hold for ever from when it holds first.
func (w *World) OnceHeld(name string, holds func(State) error) { w.invariant(name, onceHeld, holds) }

// Finally adds what must hold whenever every agent has come to its end.
func (w *World) Finally(name string, holds func(State) error) { w.invariant(name, finally, holds) }

func (w *World) invariant(name string, kind invariantKind, holds func(State) error) {
	number := 0
	for _, i := range w.invariants {
		if i.kind == onceHeld {
			number++
		}
	}
	w.invariants = append(w.invariants, invariant{name, kind, holds, number})
}
