package fake

import (
	"fmt"
	"io/fs"

	"github.com/nkconform/nkconform/mprog"
)

// Call is something that a process asks of the kernel.
type Call struct {
	Op      mprog.Op
	Process *Process // who asks
	// Request is what is asked: the request of package mprog, or for calls that
	// have none their only argument, an fd, a path or a description.
	Request any
	// Hook is the hook that the request names, or that the link it names was
	// attached to. The zero value when there is none.
	Hook mprog.Hook
}

// none is the answer of a call that has nothing but an error.
type none struct{}

// do makes a call: nothing else happens on the machine meanwhile. It costs a
// lock, unless somebody watches.
func do[R, A any](p *Process, op mprog.Op, request R, call func(*Process, R) (A, error)) (A, error) {
	k := p.kernel
	if w := k.watch.Load(); (w != nil || p.witness != nil && op.ChangesHook()) && !p.unseen {
		if w == nil {
			w = new(watch)
		}
		return watched(w, p, op, request, call)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if p.exited {
		var nothing A
		return nothing, errExited(op)
	}
	a, err := call(p, request)
	return a, k.answer(op, err)
}

// do0 is do for calls that answer nothing.
func do0[R any](p *Process, op mprog.Op, request R, call func(*Process, R) error) error {
	_, err := do(p, op, request, func(p *Process, r R) (none, error) { return none{}, call(p, r) })
	return err
}

// watched is do with interference before and after, and with a report of what
// happened.
func watched[R, A any](w *watch, p *Process, op mprog.Op, request R, call func(*Process, R) (A, error)) (A, error) {
	var nothing A
	if w.remote != nil {
		return remotely[A](w.remote, p, op, request)
	}
	c := &Call{Op: op, Process: p, Request: request}
	if err := w.interfere(c, before); err != nil {
		p.witnessed(c, Prevented, nil, err)
		return nothing, err
	}
	a, err := observed(w, c, request, call)
	p.witnessed(c, Made, a, err)
	if err := w.interfere(c, after); err != nil {
		p.witnessed(c, Lost, nil, err)
		return nothing, err
	}
	return a, err
}

// observed makes the call and tells observers of it.
func observed[R, A any](w *watch, c *Call, request R, call func(*Process, R) (A, error)) (A, error) {
	p, k := c.Process, c.Process.kernel
	k.mu.Lock()
	defer k.mu.Unlock()
	if p.exited {
		var nothing A
		return nothing, errExited(c.Op)
	}
	if c.Hook == (mprog.Hook{}) {
		c.Hook = p.hookOf(c.Request)
	}
	if len(w.observers) > 0 {
		p.trail = new(trail)
	}
	a, err := call(p, request)
	err = k.answer(c.Op, err)
	if w.log != nil && p.around == nil { // guests' fds come and go
		w.log.note(c, a, err)
	}
	if len(w.observers) > 0 {
		e := &Event{Call: *c, Answer: told(a), Err: err, Steps: p.trail.written(k, err)}
		p.trail = nil
		for _, o := range w.observers {
			o.tell(e)
		}
	}
	return a, err
}

func errExited(op mprog.Op) error {
	return fmt.Errorf("%s: the process has exited: %w", op, fs.ErrClosed)
}

// hookOf finds the hook that a request is about. A link's is that which it was
// attached to, as its network namespace addresses it.
func (p *Process) hookOf(request any) mprog.Hook {
	var f file
	switch r := request.(type) {
	case mprog.AttachRequest:
		return mprog.Hook{Ifindex: r.TargetIfindex, Type: r.AttachType}
	case mprog.DetachRequest:
		return mprog.Hook{Ifindex: r.TargetIfindex, Type: r.AttachType}
	case mprog.QueryRequest:
		return mprog.Hook{Ifindex: r.TargetIfindex, Type: r.AttachType}
	case mprog.LinkCreateRequest:
		return mprog.Hook{Ifindex: r.TargetIfindex, Type: r.AttachType}
	case mprog.FilterRequest:
		return r.Hook
	case mprog.Hook:
		return r
	case mprog.LinkUpdateRequest:
		f = p.files[r.LinkFD]
	case mprog.LinkDetachRequest:
		f = p.files[r.LinkFD]
	case mprog.PinRequest:
		f = p.files[r.FD]
	case mprog.GetRequest:
		f = p.kernel.fs.pins[r.Path]
	case uint32:
		f = p.files[r]
	case string:
		f = p.kernel.fs.pins[r]
	}
	l, ok := f.(*link)
	if !ok || l.dev == nil {
		return mprog.Hook{}
	}
	d := l.dev
	if l.at == mprog.NetkitPeer {
		d = d.peer
	}
	return mprog.Hook{Ifindex: d.ifindex, Type: l.at}
}

// told is an answer as observers get it.
func told(a any) any {
	if _, nothing := a.(none); nothing {
		return nil
	}
	return a
}
