package kernel

import (
	"errors"
	"fmt"
	"math"
	"unsafe"

	"github.com/nkconform/nkconform/mprog"
	"github.com/nkconform/nkconform/mprog/attr"
)

// Process is a caller of bpf(2) with its own file descriptors: a thread that
// does nothing else. It is safe for concurrent use; calls are made one by one.
type Process struct {
	mu      callLock
	thread  *thread // nil after exit
	fds     *fdTable
	first   *Process   // of the environment; p itself for the first one
	mounts  bool       // it is in the environment's mount namespace
	idle    *idle      // where its thread goes in the end; nil: it ends, too
	abroad  *namespace // where it lives, unless that is where the first one does
	bpffs   *error     // nil: not mounted yet; else how that went
	filters filters    // of the first one alone
	groups  cgroups    // the same
	entered uint32     // the descriptor of the cgroup that it has moved to; 0: none
	wayBack int        // see leaveCgroup

	// The call in hand. It lies here, on the heap, so that no call allocates
	// and the kernel's pointers stay valid while a caller's stack moves.
	cmd      attr.Command
	attr     attr.Buffer
	size     uint32
	query    mprog.QueryRequest // for its arrays
	info     [infoSize]byte
	path     []byte
	fd       uint32
	unlinked int // see Unlink
	err      error
	runBPF   func() // p.onThreadBPF
	runClose func() // p.onThreadClose
}

var _ mprog.Process = (*Process)(nil)

var errExited = errors.New("process has exited")

func newProcess(t *thread) *Process {
	p := &Process{thread: t}
	p.first = p
	p.runBPF, p.runClose = p.onThreadBPF, p.onThreadClose
	return p
}

// startProcess starts a process whose thread runs setUp first, still with the file
// descriptors of the program, and moveIn when it has its own.
func startProcess(setUp func() error, moveIn func(*Process) error) (*Process, error) {
	p := newProcess(nil)
	t, err := startThread(func() (err error) {
		if err = setUp(); err == nil {
			p.fds, err = unshareFDs()
		}
		if err == nil {
			err = moveIn(p)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	p.thread = t
	return p, nil
}

// do runs a function on the process's thread. The caller holds p.mu.
func (p *Process) do(call func()) error {
	if p.thread == nil {
		return errExited
	}
	if p.mu.nested() {
		call()
	} else {
		p.thread.do(call)
	}
	return nil
}

// call makes the system call whose attr has been encoded into p.attr. When the
// command makes a descriptor, its number is in p.fd. The caller holds p.mu.
func (p *Process) call(op mprog.Op, cmd attr.Command, size uint32) error {
	p.cmd, p.size = cmd, size
	if err := p.do(p.runBPF); err != nil {
		return err
	}
	return p.failure(op)
}

// failure returns the error of the last call.
func (p *Process) failure(op mprog.Op) error {
	if p.err == nil {
		return nil
	}
	if errno, ok := mprog.ErrnoOf(p.err); ok {
		return &mprog.Error{Op: op, Errno: errno}
	}
	return fmt.Errorf("%s: %w", op, p.err)
}

func (p *Process) onThreadBPF() {
	var ret int
	if ret, p.err = p.raw(p.cmd, p.size); p.err == nil && makesFD[p.cmd] {
		p.adopt(ret, madeKind[p.cmd])
	}
}

// raw makes the system call whose attr has been encoded into p.attr, on the
// current thread.
func (p *Process) raw(cmd attr.Command, size uint32) (int, error) {
	ret, errno := bpf(cmd, unsafe.Pointer(&p.attr), size)
	if errno != 0 {
		return -1, errno
	}
	return ret, nil
}

// adopt makes fd, which a system call has just returned, one of the process's.
func (p *Process) adopt(fd int, kind string) {
	fd, p.err = p.fds.adopt(fd, kind)
	if err := p.err; err != nil {
		p.err = fmt.Errorf("renumber the new fd: %v", err) // not the call's own errno
		return
	}
	p.fd = uint32(fd)
}

func (p *Process) onThreadClose() { p.err = p.fds.close(p.fd) }

// Exit ends the process. When it returns, its descriptors are closed, and what
// only they referred to, such as links, is released. Later calls fail.
func (p *Process) Exit() error {
	t, err := p.exit()
	switch {
	case t == nil:
	case p.idle != nil && err == nil:
		p.idle.put(p, t)
	case p.abroad != nil:
		err = errors.Join(err, p.leave(t))
	default:
		t.end()
	}
	return err
}

// exit closes the descriptors. The thread, which is nil after the first time, has
// nothing to do any more.
func (p *Process) exit() (t *thread, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.thread == nil {
		return nil, errExited
	}
	_ = p.do(func() { err = errors.Join(p.leaveCgroup(), p.fds.closeAll(math.MaxInt32)) })
	t, p.thread = p.thread, nil
	return t, err
}
