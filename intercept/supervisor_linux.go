//go:build amd64 || arm64

package intercept

import (
	"errors"
	"fmt"
	"io"
	"math"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nkconform/nkconform/fake"
	"github.com/nkconform/nkconform/intercept/fuse"
	"github.com/nkconform/nkconform/intercept/notify"
	"github.com/nkconform/nkconform/intercept/rtnl"
	"github.com/nkconform/nkconform/intercept/sim"
	"github.com/nkconform/nkconform/mprog"
)

// supervisor answers the calls of a program and its descendants, one after the
// other.
type supervisor struct {
	mu      sync.Mutex // held while a call or a request of rtnetlink is answered
	kernel  *fake.Kernel
	sim     *sim.Sim
	sims    []*sim.Sim              // all that there were
	passing atomic.Pointer[sim.Sim] // sim, for packets
	worlds  sync.Map                // of parallel kernels: *sim.Sim, by network namespace
	origins map[uint32]uint64       // namespaces that threads have left, with parallel kernels
	rtnl    *rtnl.Server
	files   *files
	log     *explainer

	warning  sync.Mutex // held while warnings are written
	warnings io.Writer

	wires     *wires               // devices that stand for netkit devices
	homeFD    int                  // the namespace below, if it is the program's own
	home      uint64               // network namespace in which the program begins
	wanderers bool                 // a thread may be in another one
	dropped   bool                 // a thread may have fewer capabilities
	nests     bool                 // a thread may be in another user namespace
	users     uint64               // user namespace of this process
	leaving   map[uint32]departure // threads that asked for a new one
	moves     int                  // how many did
	seen      map[uint64]int       // namespaces, and how many moves came before they were
	private   bool                 // the namespaces are the program's own
	mounts    bool                 // so is what is mounted in them
	bpffs     map[uint64]bool      // devices of simulated bpf file systems
	mounters  map[uint64]uint64    // user namespaces of those who have mounted them

	native    uint64        // network namespace of this process
	lastPort  uint32        // see nextPort
	datagram  []byte        // see buffer
	asking    caller        // of bpf(2), in hand
	answering atomic.Uint32 // the thread whose call is in hand, 0: none
	waiting   []*reception  // calls that wait to receive
	waking    chan struct{} // says that there are such calls
	quit      chan struct{}
	unwatched chan struct{} // closed when watchSockets has ended

	symbols   *symbols
	perfTypes func() perfTypes
	lastPerf  uint64 // an event's id
	notes     *tally
	tracefs   *tracefs
	magic     map[uint64]int64 // what statfs says of the file systems that are simulated, by device
	newTrees  []newTree
	servers   []*fuse.Server
	filtered  map[uint64]*filteredSocket // by inode
	limits    map[uint32]unix.Rlimit     // of locked memory, by process
	noTrees   error                      // why there are none of them

	options Options
	turn    int         // which goroutine receives calls
	tests   *hand       // of the program that holds the kernel; nil: none does
	pid     uint32      // the program
	misused *sim.Object // told of last, see foreign
	strayed bool        // a thread of no kernel has been told of

	listener *notify.Listener
	done     chan error
	devices  [][2]string // to begin with
}

func newSupervisor(o Options) (*supervisor, error) {
	s := &supervisor{kernel: o.Kernel, done: make(chan error, 1),
		waking: make(chan struct{}, 1), quit: make(chan struct{}), unwatched: make(chan struct{}), devices: o.Devices,
		leaving: make(map[uint32]departure), seen: make(map[uint64]int), origins: make(map[uint32]uint64), bpffs: make(map[uint64]bool), mounters: make(map[uint64]uint64)}
	if s.kernel == nil {
		s.kernel = fake.New()
	}
	if s.kernel.Devices() {
		return nil, fmt.Errorf("%w: Options.Kernel has devices, which the program would not see: name them in Options.Devices", mprog.ErrUnsupported)
	}
	s.warnings, s.notes = o.warnings(), newTally()
	var err error
	if s.files, err = newFiles(); err != nil {
		return nil, err
	}
	s.options, s.symbols, s.perfTypes = o, newSymbols(o.Kernel != nil && mainline(o.Kernel.Running().String()) != mainline(fake.Newest.String())), sync.OnceValue(readPerfTypes)
	s.limits = make(map[uint32]unix.Rlimit)
	s.filtered = make(map[uint64]*filteredSocket)
	s.tracefs, s.magic = newTracefs(s.kernel.Running(), s.symbols), make(map[uint64]int64)
	s.tracefs.warn = s.warn
	s.answerBy(s.newSim(s.kernel, o.Record != nil))
	s.rtnl = rtnl.New(hooks{s})
	s.rtnl.Warn = s.warn
	s.wires = newWires(s)
	s.rtnl.SetWires(s.wires)
	if s.native, err = currentNetns(); err != nil {
		return nil, err
	}
	var st unix.Stat_t
	if err := unix.Stat("/proc/self/ns/user", &st); err == nil { // or there are none
		s.users = st.Ino
	}
	s.files.unpinned = s.unpinned
	if o.Explain != nil {
		s.log = &explainer{out: o.Explain}
	}
	return s, nil
}

// warn tells of something that is not simulated, once, and notes it for the summary.
func (s *supervisor) warn(line string) {
	if s.notes.add(line, s.asker) {
		s.say(line)
	}
}

// say writes a line to who ran the program.
func (s *supervisor) say(line string) {
	s.warning.Lock()
	defer s.warning.Unlock()
	fmt.Fprintln(s.warnings, "nkconform:", line)
}

// asker names the process whose call is in hand, if one is.
func (s *supervisor) asker() string {
	tid := s.answering.Load()
	if tid == 0 {
		return ""
	}
	who := &caller{s: s, call: &notify.Call{TID: tid}}
	return fmt.Sprintf("%s[%d]", who.Process(), who.leader())
}

// trace tells what a program has printed with bpf_trace_printk.
func (s *supervisor) trace(text string) {
	if s.log != nil {
		s.log.printf("a program prints %q\n", text)
	}
}

// newSim answers on a kernel.
func (s *supervisor) newSim(k *fake.Kernel, record bool) *sim.Sim {
	made := sim.New(k, sim.Options{
		Refuse: s.options.Refuse, Symbols: s.symbols,
		CPUs: possibleCPUs(), Memory: newMemory, Fail: s.faults(), Verdicts: s.options.Verdicts,
		Record: record, Explain: s.options.Explain != nil, Now: monotonic, After: later, Meanwhile: s.meanwhile,
		Warn: s.warn, Trace: s.trace,
	})
	s.sims = append(s.sims, made)
	return made
}

// answerBy has a kernel answer from now on.
func (s *supervisor) answerBy(which *sim.Sim) {
	s.kernel, s.sim = which.Kernel(), which
	s.passing.Store(which)
}

// unpinned says that a pin's file is gone.
func (s *supervisor) unpinned(key sim.PinKey) {
	for _, each := range s.sims {
		each.Unpinned(key)
	}
}

// meanwhile does something while a call waits for its answer. Another goroutine
// answers the next ones. The caller is in the loop, and holds s.mu.
func (s *supervisor) meanwhile(do func()) {
	asking := s.asking
	s.turn++
	go s.takeTurn(s.turn)
	s.mu.Unlock()
	do()
	s.mu.Lock()
	s.asking = asking
}

// monotonic is the clock that programs of BPF are told.
func monotonic() uint64 {
	var t unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &t) // every kernel has it
	return uint64(t.Nano())
}

// later calls a function after a time.
func later(nanoseconds uint64, f func()) {
	time.AfterFunc(time.Duration(min(nanoseconds, math.MaxInt64)), f)
}

// serve answers calls until the last one.
func (s *supervisor) serve(l *notify.Listener) {
	s.listener = l
	go func() {
		defer close(s.unwatched)
		s.watchSockets()
	}()
	go s.watchWaiting()
	go s.takeTurn(s.turn)
}

// takeTurn answers calls until the last one, or until it is another goroutine's
// turn.
func (s *supervisor) takeTurn(turn int) {
	runtime.LockOSThread() // the listener's wake-ups go to one thread
	defer runtime.UnlockOSThread()
	if last, err := s.loop(turn); last {
		s.done <- err
	}
}

func (s *supervisor) loop(turn int) (last bool, err error) {
	c := new(notify.Call)
	for {
		switch err := s.listener.Receive(c); {
		case errors.Is(err, unix.ENOENT):
			continue // its caller was killed
		case err != nil:
			return true, err
		}
		own, last := s.listener.Own(c)
		if last {
			return true, nil
		}
		if own {
			continue
		}
		s.mu.Lock()
		s.files.drain()
		s.drainSockets()
		s.wires.flush()
		s.answer(c)
		mine := s.turn == turn
		s.mu.Unlock()
		if !mine {
			return false, nil
		}
	}
}

// attendEvery is how often calls that wait are looked after.
const attendEvery = 20 * time.Millisecond

// watchWaiting looks after calls that wait.
func (s *supervisor) watchWaiting() {
	for {
		select {
		case <-s.waking:
		case <-s.quit:
			return
		}
		for left := true; left; {
			time.Sleep(attendEvery)
			s.mu.Lock()
			left = s.attend()
			s.mu.Unlock()
		}
	}
}

// wake has waiting calls looked after.
func (s *supervisor) wake() {
	select {
	case s.waking <- struct{}{}:
	default:
	}
}

// close ends what watches, when nothing is answered any more.
func (s *supervisor) close() {
	close(s.quit)
	_, _ = unix.Write(s.files.quit, []byte{1, 0, 0, 0, 0, 0, 0, 0}) // cannot be full
	if s.listener != nil {
		<-s.unwatched
	}
	for _, each := range s.servers {
		each.Close()
	}
	s.wires.stopLooking()
	s.wires.close()
	s.files.close()
}

// answer answers a call. Errors of answering are the caller's death.
func (s *supervisor) answer(c *notify.Call) {
	if handle := handlers[uint32(c.Number)]; handle != nil {
		s.answering.Store(c.TID)
		handle(s, c)
		s.answering.Store(0)
		return
	}
	_ = s.listener.Continue(c)
}
