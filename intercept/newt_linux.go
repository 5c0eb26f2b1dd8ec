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
	"github.com/nkconform/nkconform/trace"
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

// held is a kernel that a test holds.
type held struct {
	h      *holder
	t      TB
	number int
	links  *kernel.Links // in its first network namespace
	stage  *stage        // of a parallel kernel, else nil

	devices map[uint32]bool // that were there before
	netns   []int           // fds of network namespaces, from mprog.Netns 1 on

	mu        sync.Mutex
	injected  map[int]func(*fake.RemoteEvent) error
	observers map[int]func(*fake.RemoteEvent)
	ended     bool
}

var _ fake.Remote = (*held)(nil)

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
		h: h, t: t, devices: make(map[uint32]bool),
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
	a, err := h.conn.Ask(request)
	if err != nil {
		return nil, err
	}
	started, ok := a.(control.Started)
	if ok && !started.Private {
		_, err := h.conn.Ask(control.End{Kernel: started.Kernel})
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
func (h *holder) answer(request any) (any, error) {
	r, ok := request.(control.Act)
	if !ok {
		return nil, fmt.Errorf("%w: a request of type %T", mprog.ErrUnsupported, request)
	}
	h.mu.Lock()
	k := h.kernels[r.Kernel]
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
		_, err := h.conn.Ask(control.Thread{TID: tid})
		ready <- err
		defer h.conn.Ask(control.Thread{TID: tid, Ends: true}) // of FailNow in what is done; else it never ends
		for do := range work {
			do()
		}
	}()
	return work, <-ready
}

// news tells observers what was called, and the test what was done wrong.
func (k *held) news() {
	a, err := k.h.conn.Ask(control.News{Kernel: k.number})
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
	case mprog.OpTransmit:
		return nil, fmt.Errorf("%s: %w: send a packet through a socket", c.Op, mprog.ErrUnsupported)
	}
	return k.h.conn.Ask(control.Call{Kernel: k.number, RemoteCall: c})
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
	a, err := k.h.conn.Ask(control.Call{Kernel: k.number, RemoteCall: c})
	answered, ok := a.(control.Answered)
	if !ok {
		return nil, err
	}
	for i, array := range r.Arrays() {
		copy(*array, answered.Arrays[i])
	}
	return answered.Result, err
}

// newNetns makes a network namespace, which lives until the test ends.
func (k *held) newNetns() (any, error) {
	type made struct {
		fd  int
		err error
	}
	done := make(chan made)
	go func() {
		runtime.LockOSThread() // and never unlock: the thread ends with the goroutine
		err := unix.Unshare(unix.CLONE_NEWNET)
		fd := -1
		if err == nil {
			fd, err = unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
		}
		done <- made{fd, err}
	}()
	n := <-done
	if n.err != nil {
		return nil, refusal(mprog.OpNewNetns, n.err)
	}
	var st unix.Stat_t
	if err := unix.Fstat(n.fd, &st); err != nil {
		return nil, refusal(mprog.OpNewNetns, err)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.netns = append(k.netns, n.fd)
	number := mprog.Netns(len(k.netns))
	_, err := k.h.conn.Ask(control.Netns{Kernel: k.number, Netns: number, Inode: st.Ino})
	return number, err
}

// move moves a device to another network namespace.
func (k *held) move(r fake.MoveRequest) (any, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case r.To == 0:
		return r.Ifindex, nil
	case int64(r.To) > int64(len(k.netns)):
		return nil, &mprog.Error{Op: mprog.OpMoveDevice, Errno: mprog.EINVAL}
	}
	fd := k.netns[r.To-1]
	name, err := k.links.Move(r.Ifindex, fd)
	if err != nil {
		return nil, refusal(mprog.OpMoveDevice, err)
	}
	type found struct {
		ifindex uint32
		err     error
	}
	done := make(chan found)
	go func() {
		runtime.LockOSThread() // and never unlock: the thread ends with the goroutine
		if err := unix.Setns(fd, unix.CLONE_NEWNET); err != nil {
			done <- found{0, err}
			return
		}
		there, err := kernel.OpenLinks()
		if err != nil {
			done <- found{0, err}
			return
		}
		defer there.Close()
		ifindex, err := there.Index(name)
		done <- found{ifindex, err}
	}()
	f := <-done
	return f.ifindex, refusal(mprog.OpMoveDevice, f.err)
}

// Inject implements [fake.Remote].
func (k *held) Inject(after bool, m fake.RemoteMatch, do func(*fake.RemoteEvent) error) (stop func()) {
	switch m.Op {
	case mprog.OpClose, mprog.OpDup, mprog.OpUnlink, mprog.OpExit,
		mprog.OpAddDevice, mprog.OpDeleteDevice, mprog.OpMoveDevice, mprog.OpTransmit, mprog.OpNewNetns, mprog.OpNewProcess:
		k.t.Errorf("intercept: Before and After of %q would never be told: they see calls of bpf(2) alone", m.Op)
		return func() {}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	number, stop := k.subscribe(control.Inject{Kernel: k.number, After: after, Match: m})
	k.injected[number] = do
	return stop
}

// Observe implements [fake.Remote]. The observer is told when the kernel is looked
// at next, and by stop at the latest.
func (k *held) Observe(tell func(*fake.RemoteEvent)) (stop func()) {
	k.mu.Lock()
	defer k.mu.Unlock()
	number, forget := k.subscribe(control.Observe{Kernel: k.number})
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
	a, err := k.h.conn.Ask(request)
	number, ok := a.(int)
	if err != nil || !ok {
		k.t.Errorf("intercept: %T: %v", request, err)
		return 0, func() {}
	}
	return number, func() {
		_, _ = k.h.conn.Ask(control.Stop{Kernel: k.number, Number: number}) // of an ended kernel it has stopped
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
		a, err = k.h.conn.Ask(request)
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
	return ask[fake.HookState](k, control.Hook{Kernel: k.number, Ifindex: ifindex, Type: at})
}

// Trace implements [fake.Remote].
func (k *held) Trace() *trace.File {
	if k.alive() != nil {
		return &trace.File{Lines: []trace.Line{{Comment: "# The kernel has ended."}}}
	}
	text := ask[string](k, control.Trace{Kernel: k.number})
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
	return ask[[]fake.Left](k, control.Leaks{Kernel: k.number})
}

// Shutdown implements [fake.Remote].
func (k *held) Shutdown() error {
	if err := k.alive(); err != nil {
		return nil // a second time
	}
	k.news()
	var err error
	if k.stage == nil { // whose devices and pins end with it
		err = errors.Join(k.clearDevices(), k.clearPins())
	}
	_, endErr := k.h.conn.Ask(control.End{Kernel: k.number})
	k.h.mu.Lock()
	delete(k.h.kernels, k.number)
	k.h.mu.Unlock()
	k.mu.Lock()
	defer k.mu.Unlock()
	k.ended = true
	for _, fd := range k.netns {
		err = errors.Join(err, unix.Close(fd))
	}
	if k.stage != nil {
		err = errors.Join(err, k.stage.end())
	}
	return errors.Join(err, endErr)
}

// clearDevices deletes what the test has left.
func (k *held) clearDevices() error {
	there, err := k.links.List()
	if err != nil {
		return fmt.Errorf("list devices: %w", err)
	}
	for _, ifindex := range there {
		if !k.devices[ifindex] {
			if err := k.links.Delete(ifindex); err != nil && !errors.Is(err, mprog.ENODEV) { // or with its peer
				return fmt.Errorf("delete device %d: %w", ifindex, err)
			}
		}
	}
	return nil
}

// clearPins empties the simulated bpf file system.
func (k *held) clearPins() error {
	entries, err := os.ReadDir(mprog.BPFFS)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("remove pins: %w", err)
	}
	for _, e := range entries {
		if err := os.RemoveAll(mprog.BPFFS + "/" + e.Name()); err != nil {
			return fmt.Errorf("remove pins: %w", err)
		}
	}
	return nil
}

// awaitEnd waits until a child has ended, without taking its status from the one
// who waits for it.
func awaitEnd(pid int) {
	for unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil) == unix.EINTR {
	}
}
