//go:build amd64 || arm64

package intercept

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/nkconform/nkconform/fake"
	"github.com/nkconform/nkconform/intercept/control"
	"github.com/nkconform/nkconform/intercept/notify"
	"github.com/nkconform/nkconform/intercept/sim"
	"github.com/nkconform/nkconform/mprog"
)

// hand is the program's hold on the kernel that answers it: the other end of
// [NewT]'s.
type hand struct {
	s    *supervisor
	conn *control.Conn

	mu      sync.Mutex
	held    map[int]*heldKernel
	last    int             // the newest kernel's number
	threads map[uint32]bool // that do what injections do
}

// heldKernel is a kernel that a test of the program holds.
type heldKernel struct {
	number int
	kernel *fake.Kernel
	sim    *sim.Sim
	home   uint64 // its first network namespace
	tid    uint32 // a thread there

	processes []*fake.Process // by number
	where     []uint64        // the network namespaces of processes
	inodes    []uint64        // of network namespaces, by mprog.Netns
	stops     map[int]func()  // of injections and observers
	lastStop  int
	told      control.Told // that the program has not asked for yet
}

// handPair makes a socket for the program to say which kernel it wants.
func (s *supervisor) handPair(ours **os.File) (theirs *os.File, err error) {
	ends, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("socketpair: %w", err)
	}
	*ours = os.NewFile(uintptr(ends[0]), "control")
	return os.NewFile(uintptr(ends[1]), "control"), nil
}

// takeHand begins to do as the program says.
func (s *supervisor) takeHand(pid uint32, ours *os.File) error {
	stream, err := net.FileConn(ours)
	if err != nil {
		return fmt.Errorf("socketpair: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pid = pid
	s.tests = &hand{s: s, held: make(map[int]*heldKernel), threads: make(map[uint32]bool)}
	s.tests.conn = control.Open(stream, s.tests.answer)
	return nil
}

// answer answers what the program asks.
func (h *hand) answer(number int, request any) (any, error) {
	switch r := request.(type) {
	case control.Start:
		return h.start(r)
	case control.Thread:
		h.mu.Lock()
		defer h.mu.Unlock()
		h.threads[uint32(r.TID)] = !r.Ends
		return nil, nil
	}
	h.mu.Lock()
	k := h.held[number]
	h.mu.Unlock()
	if k == nil {
		return nil, fmt.Errorf("kernel %d has ended: %w", number, os.ErrClosed)
	}
	h.s.mu.Lock()
	h.s.files.drain() // what the program has closed is closed
	h.s.mu.Unlock()
	switch r := request.(type) {
	case control.Word:
		return h.word(k, r)
	case control.Call:
		return h.call(k, r.RemoteCall)
	case control.Inject:
		return h.inject(k, r), nil
	case control.Stop:
		h.mu.Lock()
		stop := k.stops[r.Number]
		delete(k.stops, r.Number)
		h.mu.Unlock()
		if stop != nil {
			stop()
		}
		return nil, nil
	case control.Hook:
		return k.kernel.Hook(r.Ifindex, r.Type), nil
	case control.Netns:
		h.mu.Lock()
		defer h.mu.Unlock()
		if int(r.Netns) != len(k.inodes) {
			return nil, fmt.Errorf("network namespace %d: %w", r.Netns, mprog.EINVAL)
		}
		k.inodes = append(k.inodes, r.Inode)
		h.s.adopt(r.Inode, k.home)
		return nil, nil
	}
	return nil, fmt.Errorf("%w: a request of type %T", mprog.ErrUnsupported, request)
}

func (h *hand) word(k *heldKernel, w control.Word) (any, error) {
	switch w {
	case control.End:
		h.end(k)
		return nil, nil
	case control.Observe:
		return h.observe(k), nil
	case control.News:
		return h.news(k), nil
	case control.Trace:
		return k.sim.Trace().String(), nil
	case control.Leaks:
		return h.s.leaks(k), nil
	case control.Review:
		h.s.mu.Lock()
		defer h.s.mu.Unlock()
		h.s.wires.review()
		h.s.wires.flush()
		return nil, nil
	}
	return nil, fmt.Errorf("%w: request %d", mprog.ErrUnsupported, w)
}

// start makes a kernel that answers from now on.
func (h *hand) start(r control.Start) (any, error) {
	opts, err := r.Machine.Options()
	if err != nil {
		return nil, err
	}
	k := &heldKernel{kernel: fake.New(opts...), stops: make(map[int]func())}
	k.processes = []*fake.Process{k.kernel.Process}
	s := h.s
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.devices) > 0 {
		return nil, fmt.Errorf("%w: Options.Devices are of another kernel: make devices by Netkit of this one", mprog.ErrUnsupported)
	}
	k.home, k.tid = s.home, s.pid
	if r.Netns != 0 {
		k.home, k.tid = r.Netns, uint32(r.TID)
	}
	k.inodes, k.where = []uint64{k.home}, []uint64{k.home}
	k.sim = s.newSim(k.kernel, true)
	k.sim.Home(k.home)
	if r.Netns != 0 {
		s.worlds.Store(k.home, k.sim)
	} else {
		s.answerBy(k.sim)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.last++
	k.number, h.held[h.last] = h.last, k
	return control.Started{Kernel: h.last, Private: s.private && s.mounts}, nil
}

// end has the kernel of before answer again. What is open stays so and is of no
// use any more.
func (h *hand) end(k *heldKernel) {
	s := h.s
	s.mu.Lock()
	defer s.mu.Unlock()
	s.files.drain()
	for _, path := range k.sim.End() { // in other bpf file systems than the test's
		if filepath.IsAbs(path) {
			_ = os.Remove(fmt.Sprintf("/proc/%d/root%s", k.tid, path)) // may be gone with its mount
		}
	}
	s.sims = slices.DeleteFunc(s.sims, func(other *sim.Sim) bool { return other == k.sim })
	s.worlds.Range(func(netns, which any) bool {
		if which == k.sim {
			s.worlds.Delete(netns)
		}
		return true
	})
	if s.sim == k.sim {
		s.answerBy(s.sims[0])
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.held, k.number)
}

// call has one of the kernel's own processes make a call.
func (h *hand) call(k *heldKernel, r fake.RemoteCall) (any, error) {
	h.mu.Lock()
	if r.Process < 0 || r.Process >= len(k.processes) {
		h.mu.Unlock()
		return nil, fmt.Errorf("%s: process %d: %w", r.Op, r.Process, os.ErrClosed)
	}
	p, netns := k.processes[r.Process], k.where[r.Process]
	h.mu.Unlock()
	if r.Rival {
		p = p.AsRival()
	}
	s := h.s
	switch q := r.Request.(type) {
	case mprog.ProcessSpec:
		return h.fork(k, q)
	case mprog.PinRequest:
		return nil, k.sim.OwnPin(p, q, func() (sim.PinKey, mprog.Errno) {
			s.mu.Lock()
			defer s.mu.Unlock()
			return s.program(k).CreatePin(unix.AT_FDCWD, q.Path)
		})
	case mprog.GetRequest:
		s.mu.Lock()
		key, errno := s.program(k).FindPin(unix.AT_FDCWD, q.Path)
		s.mu.Unlock()
		return k.sim.OwnGet(p, q, key, errno)
	}
	if r.Op == mprog.OpExit {
		return nil, p.Exit()
	}
	answer, err := k.sim.Own(p, netns, r.Op, r.Request, func(fd uint32) *sim.Object {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.files.drain()
		f, _ := s.files.find(s.pid, fd)
		if f == nil {
			return nil
		}
		return f.object
	})
	if q, ok := r.Request.(mprog.QueryRequest); ok {
		result, _ := answer.(mprog.QueryResult)
		a := control.Answered{Result: result}
		for i, array := range q.Arrays() {
			a.Arrays[i] = *array
		}
		return a, err
	}
	return answer, err
}

// program is the program as a caller, where a kernel is.
func (s *supervisor) program(k *heldKernel) *caller {
	return s.caller(&notify.Call{TID: k.tid})
}

// fork starts another of the kernel's own processes, whose number it returns.
func (h *hand) fork(k *heldKernel, spec mprog.ProcessSpec) (any, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if int64(spec.Netns) >= int64(len(k.inodes)) {
		return nil, &mprog.Error{Op: mprog.OpNewProcess, Errno: mprog.EINVAL, Rule: "netns/none"}
	}
	in := k.kernel.Process
	if spec.Netns != 0 {
		in = k.sim.Resident(k.inodes[spec.Netns])
	}
	k.processes = append(k.processes, k.kernel.Process.Fork(in, spec.Without...))
	k.where = append(k.where, k.inodes[spec.Netns])
	return len(k.processes) - 1, nil
}

// inject has the program asked at calls that match.
func (h *hand) inject(k *heldKernel, r control.Inject) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	k.lastStop++
	number := k.lastStop
	inject := k.kernel.Before
	if r.After {
		inject = k.kernel.After
	}
	m := fake.Match{Op: r.Match.Op, Hook: r.Match.Hook, Nth: r.Match.Nth}
	if r.Match.Probes {
		m.When = func(*fake.Call) bool { return true } // the program says
	}
	k.stops[number] = inject(m, func(c *fake.Call) error {
		e := fake.RemoteEvent{RemoteCall: fake.RemoteCall{Process: h.number(k, c.Process), Op: c.Op, Request: c.Request}, Thread: c.Process.Thread(), Hook: c.Hook}
		_, err := h.conn.Ask(k.number, control.Act{Number: number, Event: e})
		return err
	})
	return number
}

// number is a process's number; [fake.Outsider] for the program's.
func (h *hand) number(k *heldKernel, p *fake.Process) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i, known := range k.processes {
		if known.Same(p) {
			return i
		}
	}
	return fake.Outsider
}

// observe keeps calls until the program asks. It cannot be told while they are
// answered: it might need what it waits for.
func (h *hand) observe(k *heldKernel) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	k.lastStop++
	number := k.lastStop
	k.stops[number] = k.kernel.Observe(func(e *fake.Event) {
		told := fake.RemoteEvent{
			RemoteCall: fake.RemoteCall{Process: h.number(k, e.Process), Op: e.Op, Request: e.Request},
			Hook:       e.Hook, Answer: e.Answer, Err: e.Err, Steps: e.Steps,
		}
		h.mu.Lock()
		defer h.mu.Unlock()
		k.told.Calls = append(k.told.Calls, control.Observed{Number: number, Event: told})
	})
	return number
}

// news hands over what there is to tell.
func (h *hand) news(k *heldKernel) control.Told {
	h.mu.Lock()
	defer h.mu.Unlock()
	told := k.told
	k.told = control.Told{}
	return told
}

// complain tells the program of a misuse, which is its tests' mistake.
func (h *hand) complain(format string, args ...any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	text := fmt.Sprintf(format, args...)
	for _, k := range h.held {
		k.told.Complaints = append(k.told.Complaints, text)
	}
	if len(h.held) > 0 {
		return
	}
	fmt.Fprintln(os.Stderr, "intercept:", text)
}

// foreign tells that an fd is of a kernel that does not answer any more, or not
// yet again.
func (s *supervisor) foreign(fd uint32, o *sim.Object) {
	if s.tests != nil && s.misused != o { // once
		s.misused = o
		s.tests.complain("fd %d (%s) is of another kernel than the one that answers now: a test's kernel ends with the "+
			"test, and what was opened on it cannot be used afterwards; nor can what TestMain has opened be used in it", fd, o)
	}
}

// fromInjection refuses a call of bpf(2) that is made by what an injection does:
// it would match injections in its turn.
func (h *hand) fromInjection(c *notify.Call) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.threads[c.TID]
}
