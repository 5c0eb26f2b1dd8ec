//go:build amd64 || arm64

package intercept

import (
	"errors"
	"fmt"
	"os"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/nkconform/nkconform/fake"
	"github.com/nkconform/nkconform/intercept/control"
	"github.com/nkconform/nkconform/kernel"
	"github.com/nkconform/nkconform/mprog"
	"github.com/nkconform/nkconform/trace"
)

// held is a kernel that a test holds.
type held struct {
	h      *holder
	t      TB
	number int
	links  *kernel.Links // in its first network namespace
	stage  *stage        // of a parallel kernel, else nil

	devices map[uint32]bool    // that were there before
	netns   []*heldNetns       // network namespaces, from mprog.Netns 1 on
	lives   map[int]*heldNetns // where processes do, by their number, but for the first such

	mu        sync.Mutex
	injected  map[int]func(*fake.RemoteEvent) error
	observers map[int]func(*fake.RemoteEvent)
	ended     bool
}

var _ fake.Remote = (*held)(nil)

// news tells observers what was called, and the test what was done wrong.
func (k *held) news() {
	a, err := k.h.conn.Ask(k.number, control.News)
	told, ok := a.(control.Told)
	if err != nil || !ok {
		return // the kernel has ended
	}
	for i := range told.Calls {
		c := &told.Calls[i]
		k.mu.Lock()
		tell := k.observers[c.Number]
		k.mu.Unlock()
		if tell != nil {
			tell(&c.Event)
		}
	}
	for _, text := range told.Complaints {
		k.t.Errorf("intercept: %s", text)
	}
}

// Call implements [fake.Remote].
func (k *held) Call(c fake.RemoteCall) (any, error) {
	if err := k.alive(); err != nil {
		return nil, fmt.Errorf("%s: %w", c.Op, err)
	}
	switch r := c.Request.(type) {
	case mprog.DeviceSpec:
		ifindex, peer, err := k.links.Add(r)
		return [2]uint32{ifindex, peer}, refusal(c.Op, err)
	case fake.MoveRequest:
		return k.move(r)
	case mprog.Netns:
		return nil, k.endNetns(r)
	case mprog.ProcessSpec:
		return k.fork(c, r)
	case mprog.QueryRequest:
		return k.query(c, r)
	}
	switch c.Op {
	case mprog.OpDeleteDevice:
		ifindex, _ := c.Request.(uint32)
		return nil, refusal(c.Op, k.links.Delete(ifindex))
	case mprog.OpNewNetns:
		return k.newNetns()
	case mprog.OpUnlink:
		path, _ := c.Request.(string)
		var err error
		k.do(func() { err = unix.Unlink(path) })
		return nil, refusal(c.Op, err)
	case mprog.OpExit:
		return nil, k.exit(c)
	case mprog.OpTransmit:
		return nil, fmt.Errorf("%s: %w: send a packet through a socket", c.Op, mprog.ErrUnsupported)
	}
	return k.h.conn.Ask(k.number, control.Call{RemoteCall: c})
}

// refusal is an error of the system as the fake would say it.
func refusal(op mprog.Op, err error) error {
	if errno, ok := mprog.ErrnoOf(err); ok && errno != 0 && !errors.Is(err, mprog.ErrUnsupported) {
		return &mprog.Error{Op: op, Errno: errno}
	}
	if err != nil {
		return fmt.Errorf("%s: %w", op, err)
	}
	return nil
}

// query hands the arrays on.
func (k *held) query(c fake.RemoteCall, r mprog.QueryRequest) (any, error) {
	a, err := k.h.conn.Ask(k.number, control.Call{RemoteCall: c})
	answered, ok := a.(control.Answered)
	if !ok {
		return nil, err
	}
	for i, array := range r.Arrays() {
		copy(*array, answered.Arrays[i])
	}
	return answered.Result, err
}

// Inject implements [fake.Remote].
func (k *held) Inject(after bool, m fake.RemoteMatch, do func(*fake.RemoteEvent) error) (stop func()) {
	switch m.Op {
	case mprog.OpClose, mprog.OpDup, mprog.OpUnlink, mprog.OpExit,
		mprog.OpAddDevice, mprog.OpDeleteDevice, mprog.OpMoveDevice, mprog.OpTransmit, mprog.OpNewNetns, mprog.OpEndNetns,
		mprog.OpNewProcess:
		k.t.Errorf("intercept: Before and After of %q would never be told: they see calls of bpf(2) alone", m.Op)
		return func() {}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	number, stop := k.subscribe(control.Inject{After: after, Match: m})
	k.injected[number] = do
	return stop
}

// Observe implements [fake.Remote]. The observer is told when the kernel is looked
// at next, and by stop at the latest.
func (k *held) Observe(tell func(*fake.RemoteEvent)) (stop func()) {
	k.mu.Lock()
	defer k.mu.Unlock()
	number, forget := k.subscribe(control.Observe)
	k.observers[number] = tell
	return func() {
		k.news()
		forget()
	}
}

// subscribe has something asked or told. The caller holds k.mu, so that nothing is
// before it is known here.
func (k *held) subscribe(request any) (number int, stop func()) {
	if k.ended {
		k.t.Errorf("intercept: %v", errEnded)
		return 0, func() {}
	}
	a, err := k.h.conn.Ask(k.number, request)
	number, ok := a.(int)
	if err != nil || !ok {
		k.t.Errorf("intercept: %T: %v", request, err)
		return 0, func() {}
	}
	return number, func() {
		_, _ = k.h.conn.Ask(k.number, control.Stop{Number: number}) // of an ended kernel it has stopped
		k.mu.Lock()
		defer k.mu.Unlock()
		delete(k.injected, number)
		delete(k.observers, number)
	}
}

func (k *held) alive() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.ended {
		return fmt.Errorf("%w: %w", errEnded, os.ErrClosed)
	}
	return nil
}

// ask is for what has no error to answer.
func ask[A any](k *held, request any) (answer A) {
	err := k.alive()
	var a any
	if err == nil {
		a, err = k.h.conn.Ask(k.number, request)
	}
	if err != nil {
		k.complain(err)
	}
	k.news()
	answer, _ = a.(A)
	return answer
}

// complain has the test fail, if it has not ended.
func (k *held) complain(err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.ended {
		panic(fmt.Sprintf("intercept: a kernel is used after %s: %v", k.t.Name(), err))
	}
	k.t.Errorf("intercept: %v", err)
}

// Hook implements [fake.Remote].
func (k *held) Hook(ifindex uint32, at mprog.AttachType) fake.HookState {
	return ask[fake.HookState](k, control.Hook{Ifindex: ifindex, Type: at})
}

// Trace implements [fake.Remote].
func (k *held) Trace() *trace.File {
	if k.alive() != nil {
		return &trace.File{Lines: []trace.Line{{Comment: "# The kernel has ended."}}}
	}
	text := ask[string](k, control.Trace)
	f, err := trace.Parse(k.t.Name(), text)
	if err != nil {
		k.complain(err)
	}
	return f
}

// Leaks implements [fake.Remote].
func (k *held) Leaks() []fake.Left {
	if k.alive() != nil {
		return nil // shut down by the test itself
	}
	return ask[[]fake.Left](k, control.Leaks)
}
