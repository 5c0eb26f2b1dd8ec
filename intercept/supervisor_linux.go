//go:build amd64 || arm64

package intercept

import (
	"errors"
	"fmt"
	"runtime"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/nkconform/nkconform/fake"
	"github.com/nkconform/nkconform/intercept/notify"
	"github.com/nkconform/nkconform/intercept/sim"
	"github.com/nkconform/nkconform/mprog"
)

// supervisor answers the calls of a program and its descendants, one after the
// other.
type supervisor struct {
	mu     sync.Mutex // held while a call or a request of rtnetlink is answered
	kernel *fake.Kernel
	sim    *sim.Sim
	files  *files
	log    *explainer

	home      uint64            // network namespace in which the program begins
	wanderers bool              // a thread may be in another one
	dropped   bool              // a thread may have fewer capabilities
	leaving   map[uint32]uint64 // threads that asked for a new one, and their old one
	private   bool              // the namespaces are the program's own
	bpffs     map[uint64]bool   // devices of simulated bpf file systems

	listener *notify.Listener
	done     chan error
}

func newSupervisor(o Options) (*supervisor, error) {
	s := &supervisor{kernel: o.Kernel, done: make(chan error, 1),
		leaving: make(map[uint32]uint64), bpffs: make(map[uint64]bool)}
	if s.kernel == nil {
		s.kernel = fake.New()
	}
	for _, pair := range o.Devices {
		spec := mprog.DeviceSpec{Kind: mprog.Netkit, Name: pair[0], Peer: pair[1]}
		if _, _, err := s.kernel.AddDevice(spec); err != nil {
			return nil, fmt.Errorf("device %s: %w", pair[0], err)
		}
	}
	var err error
	if s.files, err = newFiles(); err != nil {
		return nil, err
	}
	s.sim = sim.New(s.kernel, sim.Options{
		CPUs: possibleCPUs(), Memory: newMemory, Fail: o.Faults, Verdicts: o.Verdicts,
	})
	s.files.unpinned = s.sim.Unpinned
	if o.Explain != nil {
		s.log = &explainer{out: o.Explain}
	}
	return s, nil
}

// serve answers calls until the last one.
func (s *supervisor) serve(l *notify.Listener) {
	s.listener = l
	go func() {
		runtime.LockOSThread() // the listener's wake-ups go to one thread
		defer runtime.UnlockOSThread()
		s.done <- s.loop()
	}()
}

func (s *supervisor) loop() error {
	c := new(notify.Call)
	for {
		switch err := s.listener.Receive(c); {
		case errors.Is(err, unix.ENOENT):
			continue // its caller was killed
		case err != nil:
			return err
		}
		own, last := s.listener.Own(c)
		if last {
			return nil
		}
		if own {
			continue
		}
		s.mu.Lock()
		s.files.drain()
		s.answer(c)
		s.mu.Unlock()
	}
}

// answer answers a call. Errors of answering are the caller's death.
func (s *supervisor) answer(c *notify.Call) {
	if handle := handlers[uint32(c.Number)]; handle != nil {
		handle(s, c)
		return
	}
	_ = s.listener.Continue(c)
}

// handlers answer calls, by number.
var handlers map[uint32]func(*supervisor, *notify.Call)

func init() {
	handlers = map[uint32]func(*supervisor, *notify.Call){
		notify.Native.BPF:   (*supervisor).bpf,
		unix.SYS_STATFS:     (*supervisor).statfs,
		unix.SYS_FSTATFS:    (*supervisor).fstatfs,
		unix.SYS_READLINKAT: (*supervisor).readlinkat,
		unix.SYS_UNSHARE:    (*supervisor).wander,
		unix.SYS_SETNS:      (*supervisor).wander,
		unix.SYS_CLONE:      (*supervisor).wander,
		unix.SYS_CLONE3:     (*supervisor).wanderClone3,
		unix.SYS_CAPSET:     (*supervisor).drop,
		unix.SYS_SETUID:     (*supervisor).drop,
		unix.SYS_SETREUID:   (*supervisor).drop,
		unix.SYS_SETRESUID:  (*supervisor).drop,
	}
	addNativeHandlers(handlers)
}

// rules are the calls to be notified of.
func rules() []notify.Rule {
	newNetns := notify.Condition{Arg: 0, Test: notify.AnyBit, Value: unix.CLONE_NEWNET}
	list := []notify.Rule{
		{Number: notify.Native.BPF},
		{Number: unix.SYS_STATFS},
		{Number: unix.SYS_FSTATFS},
		{Number: unix.SYS_READLINKAT},
		{Number: unix.SYS_UNSHARE, When: []notify.Condition{newNetns}},
		{Number: unix.SYS_SETNS},
		{Number: unix.SYS_CLONE, When: []notify.Condition{newNetns}},
		{Number: unix.SYS_CLONE3},
		{Number: unix.SYS_CAPSET},
		{Number: unix.SYS_SETUID},
		{Number: unix.SYS_SETREUID},
		{Number: unix.SYS_SETRESUID},
	}
	return append(list, nativeRules...)
}

// bpf answers bpf(2). No path continues the call in the kernel.
func (s *supervisor) bpf(c *notify.Call) {
	a := s.sim.BPF(s.caller(c), uint32(c.Args[0]), c.Args[1], uint32(c.Args[2]))
	if a.New != nil {
		a.Value, a.Errno = s.give(c, a.New)
	} else {
		_ = s.listener.Answer(c, a.Value, unix.Errno(a.Errno))
	}
	if s.log != nil {
		s.log.bpf(c, a)
	}
}

// give answers a call with a new fd of an object, or undoes what made the
// object.
func (s *supervisor) give(c *notify.Call, o *sim.Object) (number int64, errno mprog.Errno) {
	n, err := s.files.inject(s.listener, c, o)
	if err == nil {
		return int64(n), 0
	}
	o.Close()
	failure, ok := errors.AsType[unix.Errno](err)
	if !ok {
		failure = unix.ENOMEM
	}
	_ = s.listener.Answer(c, 0, failure)
	return 0, mprog.Errno(failure)
}
