package fake

import (
	"fmt"

	"github.com/nkconform/nkconform/mprog"
	"github.com/nkconform/nkconform/trace"
)

// Remote is a kernel that another process simulates, such as the one that
// answers a test program's own system calls. A [Kernel] of [NewRemoteT] hands
// everything on to it. Answers and errors are those of the methods of the same
// names.
type Remote interface {
	// Call makes a call. Its answer has the type that the method answers with,
	// but for a new process, whose number it is.
	Call(RemoteCall) (answer any, err error)
	// Inject has an action done at the calls that match; see [Kernel.Before].
	Inject(after bool, m RemoteMatch, do func(*RemoteEvent) error) (stop func())
	Observe(tell func(*RemoteEvent)) (stop func())
	Hook(ifindex uint32, at mprog.AttachType) HookState
	Trace() *trace.File
	// Leaks lists what is left, also what is allowed to be.
	Leaks() []Left
	Shutdown() error
}

// Machine says which kernel is wanted, as options of [New] have it.
type Machine struct {
	Test          string // whose machine it is
	Release       string
	With, Without []mprog.Feature
}

// Options makes a machine of [New] the same. It fails as [ParseRelease] does.
func (m *Machine) Options() ([]Option, error) {
	release, err := ParseRelease(m.Release)
	if err != nil {
		return nil, err
	}
	opts := []Option{Running(release), testName(m.Test)}
	for _, f := range m.With {
		opts = append(opts, With(f))
	}
	for _, f := range m.Without {
		opts = append(opts, Without(f))
	}
	return opts, nil
}

// machine describes a kernel.
func (k *Kernel) machine() *Machine {
	m := &Machine{Test: k.test, Release: k.running.String()}
	for _, f := range mprog.Features {
		if k.missing[f] {
			m.Without = append(m.Without, f)
		} else {
			m.With = append(m.With, f)
		}
	}
	return m
}

// RemoteCall is a [Call] of a process that is known by its number.
type RemoteCall struct {
	Process int // 0: the first; others by the answer to NewProcess; [Outsider]
	Rival   bool
	Op      mprog.Op
	Request any // nil for calls without argument
}

// Outsider stands for processes that are not the kernel's own, but those of the
// program whose system calls it answers.
const Outsider = -1

// RemoteMatch is a [Match] but for its function.
type RemoteMatch struct {
	Op   mprog.Op
	Hook mprog.Hook
	Nth  int
	// Probes has calls match that ask for what the kernel can do, as with When.
	Probes bool
}

// RemoteEvent is an [Event]. At an injection it has no answer yet.
type RemoteEvent struct {
	RemoteCall
	Thread uint32 // see [Process.Thread]
	Hook   mprog.Hook
	Answer any
	Err    error
	Steps  []Step
}

// Left is a reference that a test leaves behind.
type Left struct {
	Kind Leak
	What string // such as "fd 5 of link l1 (id 1), which keeps mine attached"
}

// NewRemoteT is [NewT] for a kernel that another process simulates; dial makes
// that kernel. A test of such a kernel fails where it would fail with NewT.
func NewRemoteT(t TB, dial func(*Machine) (Remote, error), opts ...Option) (*Kernel, error) {
	t.Helper()
	k := New(append(opts, testName(t.Name()))...)
	r, err := dial(k.machine())
	if err != nil {
		return nil, err
	}
	k.rewatch(func(w *watch) { *w = watch{remote: r} })
	k.watchOver(t)
	return k, nil
}

// remote returns who simulates the kernel, nil when it is this process.
func (k *Kernel) remote() Remote {
	if w := k.watch.Load(); w != nil {
		return w.remote
	}
	return nil
}

// remotely is do where another process simulates the kernel.
func remotely[A any](r Remote, p *Process, op mprog.Op, request any) (answer A, err error) {
	if _, empty := request.(none); empty {
		request = nil
	}
	a, err := r.Call(RemoteCall{p.number, p.rival, op, request})
	if a, ok := a.(A); ok {
		answer = a
	}
	return answer, err
}

func (k *Kernel) newRemoteProcess(r Remote, spec mprog.ProcessSpec) (mprog.Process, error) {
	a, err := r.Call(RemoteCall{k.number, k.rival, mprog.OpNewProcess, spec})
	if err != nil {
		return nil, err
	}
	number, ok := a.(int)
	if !ok {
		return nil, fmt.Errorf("%s: %w: the answer is a %T", mprog.OpNewProcess, mprog.ErrUnsupported, a)
	}
	return k.remoteProcess(number), nil
}

// remoteProcess stands for a process that is known by its number.
func (k *Kernel) remoteProcess(number int) *Process {
	return &Process{kernel: k.kernel, fdTable: k.fdTable, number: number}
}

// injectRemotely is inject where another process simulates the kernel. What an
// injection's function says is asked here.
func (k *Kernel) injectRemotely(r Remote, at moment, m Match, do Action) (stop func()) {
	there := RemoteMatch{Op: m.Op, Hook: m.Hook, Nth: m.Nth}
	here := &injection{}
	if m.When != nil {
		there.Nth, there.Probes, here.match = 0, true, Match{When: m.When, Nth: m.Nth}
	}
	return r.Inject(at == after, there, func(e *RemoteEvent) error {
		c := k.remoteEvent(e).Call
		if !here.matches(&c) {
			return nil
		}
		return do(&c)
	})
}

func (k *Kernel) remoteEvent(e *RemoteEvent) *Event {
	p := k.remoteProcess(e.Process)
	p.thread = e.Thread
	return &Event{
		Call:   Call{Op: e.Op, Process: p, Request: e.Request, Hook: e.Hook},
		Answer: e.Answer, Err: e.Err, Steps: e.Steps,
	}
}
