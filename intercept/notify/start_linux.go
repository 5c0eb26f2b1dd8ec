//go:build amd64 || arm64

package notify

import (
	"errors"
	"fmt"
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Command is a program to run under a filter.
type Command struct {
	Path   string   // the file to execute
	Args   []string // from argv[0] on
	Env    []string
	Files  []uintptr // what fds 3 and so on are
	Filter []Instruction
	// Prepare, if set, runs on the thread that the program is forked from, in
	// front of everything else: what it changes of that thread alone, such as
	// namespaces, the program inherits.
	Prepare func() error
	// Serve, if set, is called with the listener before the program starts,
	// and must have its calls answered from then on.
	Serve func(*Listener)
}

// probe is a command of bpf(2) that no kernel knows. Made from the filter's own
// thread, it asks whether calls arrive: the answer is probeAnswer.
const (
	probe       = 0x6e6b6366
	probeAnswer = 0x6366
	goodbye     = probe + 1
)

// Process is a program that runs under a filter.
type Process struct {
	Pid      int
	Listener *Listener
	tid      uint32 // the thread that holds the filter
	quit     chan struct{}
	left     chan struct{}
}

// started is what the thread reports.
type started struct {
	process *Process
	err     error
}

// Start runs a program whose calls, and those of whatever it starts, come to a
// listener. It inherits the standard input, output and error, gains no
// privileges on exec, and is killed when this process ends.
//
// An error that wraps [ErrUnavailable] says in a sentence what is in the way.
func Start(c Command) (*Process, error) {
	report := make(chan started)
	p := &Process{quit: make(chan struct{}), left: make(chan struct{})}
	go p.main(c, report)
	s := <-report
	return s.process, s.err
}

// main is the thread's: the filter is on this thread alone, so that the program
// forked from it is under the filter and the rest of this process is not. The
// thread must live as long as the program, which otherwise would be killed with
// it. Go makes no new threads from a locked one, and ends it with the goroutine.
func (p *Process) main(c Command, report chan<- started) {
	runtime.LockOSThread() // and never unlock
	p.tid = uint32(unix.Gettid())
	if int(p.tid) == unix.Getpid() {
		// The first thread cannot end before the process does. While this
		// goroutine holds it, another one gets another thread.
		relayed := make(chan started)
		go p.main(c, relayed)
		s := <-relayed
		runtime.UnlockOSThread()
		report <- s
		return
	}
	defer close(p.left)
	if err := p.start(c); err != nil {
		if p.Listener != nil {
			p.sayGoodbye()
			unix.Close(p.Listener.fd)
		}
		report <- started{err: err}
		return
	}
	report <- started{process: p}
	<-p.quit
	p.sayGoodbye()
}

// sayGoodbye has the receiver of calls end. Not by a raw system call: who answers
// may have to wait for Go's collector, and that for this thread.
func (p *Process) sayGoodbye() {
	_, _, _ = unix.Syscall(unix.SYS_BPF, goodbye, 0, 0)
}

func (p *Process) start(c Command) error {
	if c.Prepare != nil {
		if err := c.Prepare(); err != nil {
			return err
		}
	}
	l, err := listen(c.Filter)
	if err != nil {
		return err
	}
	p.Listener = l
	c.Serve(l)
	if r, _, errno := unix.Syscall(unix.SYS_BPF, probe, 0, 0); errno != 0 || r != probeAnswer {
		return fmt.Errorf("%w: another seccomp filter answers bpf(2) first (%v): a container's default profile does; "+
			"run it with --security-opt seccomp=unconfined or with a profile that allows bpf", ErrUnavailable, errno)
	}
	p.Pid, err = syscall.ForkExec(c.Path, c.Args, &syscall.ProcAttr{
		Env: c.Env, Files: append([]uintptr{0, 1, 2}, c.Files...),
		Sys: &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL},
	})
	if err != nil {
		return fmt.Errorf("start %s: %w", c.Path, err)
	}
	if err := checkMemory(p.Pid); err != nil {
		_ = unix.Kill(p.Pid, unix.SIGKILL)
		_, _ = unix.Wait4(p.Pid, nil, 0, nil)
		return err
	}
	return nil
}

// Stop ends the service: whoever still makes calls gets ENOSYS. The program
// itself, if it still runs, is killed.
func (p *Process) Stop() {
	close(p.quit)
	<-p.left
	unix.Close(p.Listener.fd)
}

// Own answers the calls that are part of this package's own working. Whoever
// receives calls must pass each one on to it first; last says that no more are
// to be received.
func (l *Listener) Own(c *Call) (own, last bool) {
	if uint32(c.Number) != Native.BPF || c.Args[0] != probe && c.Args[0] != goodbye || !isOwnThread(c.TID) {
		return false, false
	}
	_ = l.Answer(c, probeAnswer, 0) // the thread waits, it cannot be gone
	return true, c.Args[0] == goodbye
}

func isOwnThread(tid uint32) bool {
	return unix.Tgkill(unix.Getpid(), int(tid), 0) == nil
}

// filterProgram is struct sock_fprog.
type filterProgram struct {
	length uint16
	first  *Instruction
}

// syncWakeUp is SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP: caller and listener take
// turns on one CPU.
const syncWakeUp = 1

// listen puts the filter on the current thread.
//
// WAIT_KILLABLE_RECV is a must: without it a signal, and Go's scheduler sends
// many, has a call made twice that has been answered already.
func listen(filter []Instruction) (*Listener, error) {
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return nil, fmt.Errorf("set no_new_privs: %w", err)
	}
	prog := filterProgram{uint16(len(filter)), &filter[0]}
	flags := uintptr(unix.SECCOMP_FILTER_FLAG_NEW_LISTENER | unix.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV |
		unix.SECCOMP_FILTER_FLAG_SPEC_ALLOW)
	fd, _, errno := unix.RawSyscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, flags, uintptr(unsafe.Pointer(&prog)))
	runtime.KeepAlive(filter)
	if errno != 0 {
		return nil, installError(errno)
	}
	unix.CloseOnExec(int(fd))
	l := &Listener{fd: int(fd)}
	// Linux 6.6; without it calls take longer.
	unix.RawSyscall(unix.SYS_IOCTL, fd, unix.SECCOMP_IOCTL_NOTIF_SET_FLAGS, syncWakeUp)
	return l, nil
}

func installError(errno unix.Errno) error {
	switch {
	case errors.Is(errno, unix.EBUSY):
		return fmt.Errorf("%w: this process's calls are intercepted already, and the kernel allows one listener: "+
			"do not nest: %w", ErrUnavailable, errno)
	case errors.Is(errno, unix.EINVAL), errors.Is(errno, unix.ENOSYS):
		return fmt.Errorf("%w: it takes Linux 5.19 or newer with CONFIG_SECCOMP_FILTER: %w", ErrUnavailable, errno)
	case errors.Is(errno, unix.EPERM), errors.Is(errno, unix.EACCES):
		return fmt.Errorf("%w: seccomp(2) is refused, look for a container's profile: %w", ErrUnavailable, errno)
	}
	return fmt.Errorf("install the seccomp filter: %w", errno)
}

// checkMemory asks for a byte that is not there, which is refused only to who
// may not look.
func checkMemory(pid int) error {
	var b [1]byte
	err := Memory{TID: uint32(pid)}.Read(0, b[:])
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.ENOSYS) {
		return fmt.Errorf("%w: the program's memory may not be read (%w): set kernel.yama.ptrace_scope to 1 or 0, "+
			"and allow process_vm_readv in a container's profile", ErrUnavailable, err)
	}
	return nil
}
