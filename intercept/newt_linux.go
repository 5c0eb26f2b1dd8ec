//go:build amd64 || arm64

package intercept

import (
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/nkconform/nkconform/fake"
	"github.com/nkconform/nkconform/intercept/control"
	"github.com/nkconform/nkconform/kernel"
	"github.com/nkconform/nkconform/mprog"
)

// holder is the program's end of the connection to who answers its calls.
type holder struct {
	conn  *control.Conn
	links *kernel.Links // in the network namespace that the program begins in

	mu      sync.Mutex
	kernels map[int]*held
	idle    []chan func() // threads that do what injections do
}

// theHolder is the program's, nil if it was not started by [Main].
var theHolder *holder

func holding() bool { return theHolder != nil }

// takeHold takes the connection over that [Main] has passed on.
func takeHold() error {
	if os.Getenv(heldVariable) == "" {
		return nil // a program that a test has started
	}
	if err := os.Unsetenv(heldVariable); err != nil {
		return fmt.Errorf("hold the kernel: %w", err)
	}
	unix.CloseOnExec(3)
	file := os.NewFile(3, "control")
	defer file.Close()
	stream, err := net.FileConn(file)
	if err != nil {
		return fmt.Errorf("hold the kernel: %w", err)
	}
	h := &holder{kernels: make(map[int]*held)}
	if h.links, err = kernel.OpenLinks(); err != nil {
		return fmt.Errorf("hold the kernel: %w", err)
	}
	h.conn = control.Open(stream, h.answer)
	theHolder = h
	return nil
}

// hold returns what makes a kernel for a test.
func hold(t TB, do *func(func())) func(*fake.Machine) (fake.Remote, error) {
	return func(m *fake.Machine) (fake.Remote, error) {
		k, err := theHolder.start(t, m)
		if err != nil {
			return nil, err
		}
		*do = k.do
		return k, nil
	}
}

func (h *holder) start(t TB, m *fake.Machine) (*held, error) {
	k := &held{
		h: h, t: t, devices: make(map[uint32]bool), lives: make(map[int]*heldNetns),
		injected: make(map[int]func(*fake.RemoteEvent) error), observers: make(map[int]func(*fake.RemoteEvent)),
	}
	request := control.Start{Machine: *m}
	if k.links = h.links; parallel {
		var err error
		if k.stage, err = newStage(); err != nil {
			return nil, err
		}
		k.links, request.Netns, request.TID = k.stage.links, k.stage.netns, k.stage.tid
	}
	there, err := k.links.List()
	if err != nil {
		return nil, fmt.Errorf("list devices: %w", err)
	}
	for _, ifindex := range there {
		k.devices[ifindex] = true
	}
	a, err := h.conn.Ask(0, request)
	if err != nil {
		return nil, err
	}
	started, ok := a.(control.Started)
	if ok && !started.Private {
		_, err := h.conn.Ask(started.Kernel, control.End)
		return nil, errors.Join(errShared, err)
	}
	if !ok {
		return nil, fmt.Errorf("start a kernel: the answer is a %T", a)
	}
	k.number = started.Kernel
	h.mu.Lock()
	defer h.mu.Unlock()
	h.kernels[k.number] = k
	return k, nil
}

// errShared is why a kernel cannot be held where there are no namespaces.
var errShared = fmt.Errorf("%w: a test's kernel takes network and mount namespaces of its own, which this machine does not "+
	"permit to this user: nkconform doctor says what is missing", ErrUnavailable)

// answer answers what who answers the program's calls asks.
func (h *holder) answer(kernel int, request any) (any, error) {
	r, ok := request.(control.Act)
	if !ok {
		return nil, fmt.Errorf("%w: a request of type %T", mprog.ErrUnsupported, request)
	}
	h.mu.Lock()
	k := h.kernels[kernel]
	h.mu.Unlock()
	if k == nil {
		return nil, nil // ended meanwhile
	}
	k.mu.Lock()
	do := k.injected[r.Number]
	k.mu.Unlock()
	if do == nil {
		return nil, nil // stopped meanwhile
	}
	return nil, h.act(func() error { return do(&r.Event) })
}

// act does what an injection does, on a thread that who answers the program's calls
// knows, so that a call which the function itself makes is told from others.
func (h *holder) act(do func() error) error {
	h.mu.Lock()
	var thread chan func()
	if n := len(h.idle); n > 0 {
		thread, h.idle = h.idle[n-1], h.idle[:n-1]
	}
	h.mu.Unlock()
	if thread == nil {
		var err error
		if thread, err = h.newThread(); err != nil {
			return err
		}
	}
	err, gone := error(nil), true
	done := make(chan struct{})
	thread <- func() {
		defer close(done)
		err = do()
		gone = false
	}
	<-done
	if gone { // with the thread: it has called FailNow
		return errGone
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.idle = append(h.idle, thread)
	return err
}

var errGone = errors.New("what was to be done at the call has ended its goroutine")

// newThread starts a thread for injections.
func (h *holder) newThread() (chan func(), error) {
	work, ready := make(chan func()), make(chan error)
	go func() {
		runtime.LockOSThread()
		tid := unix.Gettid()
		_, err := h.conn.Ask(0, control.Thread{TID: tid})
		ready <- err
		defer h.conn.Ask(0, control.Thread{TID: tid, Ends: true}) // of FailNow in what is done; else it never ends
		for do := range work {
			do()
		}
	}()
	return work, <-ready
}
