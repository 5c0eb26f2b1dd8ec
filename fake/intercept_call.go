package fake

import (
	"fmt"

	"github.com/nkconform/nkconform/mprog"
)

// Perform makes a call by its operation and request, as [Call] has them. An
// operation that is no call of [mprog.Kernel] or [mprog.TrafficControl], or a request of another type,
// wraps [mprog.ErrUnsupported].
func (p *Process) Perform(op mprog.Op, request any) (answer any, err error) {
	if perform := performers[op]; perform != nil {
		return perform(p, request)
	}
	return nil, fmt.Errorf("%s: %w: no such call", op, mprog.ErrUnsupported)
}

var performers = map[mprog.Op]func(*Process, any) (any, error){
	mprog.OpProgAttach: performs0((*Process).ProgAttach),
	mprog.OpProgDetach: performs0((*Process).ProgDetach),
	mprog.OpProgQuery:  performs((*Process).ProgQuery),
	mprog.OpLinkCreate: performs((*Process).LinkCreate),
	mprog.OpLinkUpdate: performs0((*Process).LinkUpdate),
	mprog.OpLinkDetach: performs0((*Process).LinkDetach),
	mprog.OpObjectInfo: performs((*Process).ObjectInfo),
	mprog.OpProgFDByID: performs((*Process).ProgFDByID),
	mprog.OpLinkFDByID: performs((*Process).LinkFDByID),
	mprog.OpProgNextID: performs((*Process).ProgNextID),
	mprog.OpLinkNextID: performs((*Process).LinkNextID),
	mprog.OpObjPin:     performs0((*Process).ObjPin),
	mprog.OpObjGet:     performs((*Process).ObjGet),
	mprog.OpCommand:    performs0((*Process).Command),
	mprog.OpUnlink:     performs0((*Process).Unlink),
	mprog.OpDup:        performs((*Process).Dup),
	mprog.OpClose:      performs0((*Process).Close),
	mprog.OpProgLoad:   performs((*Process).LoadProg),

	mprog.OpQdiscAdd:     performs0((*Process).QdiscAdd),
	mprog.OpQdiscDelete:  performs0((*Process).QdiscDelete),
	mprog.OpFilterAdd:    performs0((*Process).FilterAdd),
	mprog.OpFilterDelete: performs0((*Process).FilterDelete),
	mprog.OpFilterList:   performs((*Process).FilterList),
}

func performs[R, A any](call func(*Process, R) (A, error)) func(*Process, any) (any, error) {
	return func(p *Process, request any) (any, error) {
		r, ok := request.(R)
		if !ok {
			return nil, fmt.Errorf("%w: a request of type %T", mprog.ErrUnsupported, request)
		}
		return call(p, r)
	}
}

func performs0[R any](call func(*Process, R) error) func(*Process, any) (any, error) {
	return performs(func(p *Process, r R) (any, error) { return nil, call(p, r) })
}

// AsRival is the process as [Rival] has it: nothing is injected into its calls.
func (p *Process) AsRival() *Process {
	q := *p
	q.rival, q.trail = true, nil
	return &q
}

// Same reports whether both are one process, be it [Process.AsRival] or
// [Process.Unseen].
func (p *Process) Same(other *Process) bool { return p.fdTable == other.fdTable }

// Unseen is the process without anybody who is told of its calls.
func (p *Process) Unseen() *Process {
	q := *p
	q.unseen, q.trail = true, nil
	return &q
}

// Fork is [Kernel.NewProcess] in the network namespace of another process.
func (p *Process) Fork(in *Process, without ...mprog.Capability) *Process {
	k := p.kernel
	k.mu.Lock()
	defer k.mu.Unlock()
	return p.forkInto(in.net, without)
}

// Around has a function called around whatever [Kernel.Before] and
// [Kernel.After] do at the process's calls, for who holds locks meanwhile.
func (p *Process) Around(around func(do func())) { p.around = around }

// Thread is the thread of a program outside whose call is in hand, by its number as the
// running kernel has it: for who comes between such calls. 0: it is not known.
func (p *Process) Thread() uint32 { return p.thread }

// OfThread says which thread makes the call that is in hand, and no other.
func (p *Process) OfThread(tid uint32) { p.thread = tid }

// Stage is what has become of a call.
type Stage int

// The stages of calls that somebody watches or interferes with.
const (
	Prevented Stage = iota // it is not made: what Before did has failed
	Made                   // and answered; After comes next
	Lost                   // it was made, but what After did has failed
)

// Witness has a function told of the process's calls that change hooks: of the
// answer before anything else happens. Of other calls it is told where something is
// done before or after calls, and of an error of what [Kernel.Before] and
// [Kernel.After] did. It must make no calls but those of [Process.Unseen].
func (p *Process) Witness(tell func(c *Call, at Stage, answer any, err error)) *Process {
	q := *p
	q.witness, q.trail = tell, nil
	return &q
}

func (p *Process) witnessed(c *Call, at Stage, answer any, err error) {
	if p.witness != nil && !p.unseen {
		p.witness(c, at, answer, err)
	}
}

// meanwhile does what is to be done at a call.
func (p *Process) meanwhile(do Action, c *Call) (err error) {
	if p.around == nil {
		return do(c)
	}
	p.around(func() { err = do(c) })
	return err
}

// Announce makes a call that somebody else answers in the process's name, so
// that [Kernel.Before], [Kernel.After] and [Kernel.Observe] get to know it.
func (p *Process) Announce(op mprog.Op, request any, call func() (answer any, err error)) error {
	w := p.kernel.watch.Load()
	if w == nil {
		_, err := call()
		return err
	}
	c := &Call{Op: op, Process: p, Request: request}
	if err := w.interfere(c, before); err != nil {
		p.witnessed(c, Prevented, nil, err)
		return err
	}
	a, err := call()
	w.announce(c, a, err)
	p.witnessed(c, Made, a, err)
	if err := w.interfere(c, after); err != nil {
		p.witnessed(c, Lost, nil, err)
		return err
	}
	return err
}

// announce tells observers of a call.
func (w *watch) announce(c *Call, a any, err error) {
	if len(w.observers) == 0 {
		return
	}
	k := c.Process.kernel
	k.mu.Lock()
	defer k.mu.Unlock()
	e := &Event{Call: *c, Answer: a, Err: err}
	if refusal, ok := err.(*mprog.Error); ok {
		e.Steps = []Step{{Rule: refusal.Rule, Text: refusal.Detail}}
	}
	for _, o := range w.observers {
		o.tell(e)
	}
}
