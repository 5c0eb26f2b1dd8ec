//go:build amd64 || arm64

package intercept

import (
	"errors"
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"

	"github.com/nkconform/nkconform/kernel"
	"github.com/nkconform/nkconform/mprog"
)

// stage is where a parallel kernel answers: a network namespace, and a mount
// namespace with a bpf file system, which end with their last thread and fd.
type stage struct {
	netns uint64 // its inode
	tid   int    // of a thread that is there as long as the stage is
	links *kernel.Links

	fds  [2]int // of both namespaces
	quit chan struct{}
	left chan struct{}
}

func newStage() (*stage, error) {
	s := &stage{quit: make(chan struct{}), left: make(chan struct{})}
	ready := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlock: the thread ends with the goroutine
		defer close(s.left)
		err := s.setUp()
		ready <- err
		if err == nil {
			<-s.quit
		}
	}()
	if err := <-ready; err != nil {
		return nil, fmt.Errorf("namespaces for a kernel: %w", err)
	}
	return s, nil
}

// setUp makes the namespaces, on the thread that stays there.
func (s *stage) setUp() (err error) {
	err = unix.Unshare(unix.CLONE_NEWNET | unix.CLONE_NEWNS)
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) || errors.Is(err, unix.ENOSPC) {
		return errors.Join(errShared, err)
	}
	if err != nil {
		return os.NewSyscallError("unshare", err)
	}
	if err := raiseLoopback(); err != nil {
		return err
	}
	err = unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, "")
	if errors.Is(err, unix.EINVAL) {
		return fmt.Errorf("%w: the root folder, as within chroot, is no mount point; mount --bind makes it one", ErrUnavailable)
	}
	if err != nil {
		return os.NewSyscallError("mount", err)
	}
	if err := unix.Mount("bpf", mprog.BPFFS, "bpf", 0, ""); err != nil {
		return fmt.Errorf("%w: mount %s: %w", ErrUnavailable, mprog.BPFFS, err)
	}
	for i, name := range []string{"net", "mnt"} {
		if s.fds[i], err = unix.Open("/proc/thread-self/ns/"+name, unix.O_RDONLY|unix.O_CLOEXEC, 0); err != nil {
			return os.NewSyscallError("open", err)
		}
	}
	var st unix.Stat_t
	if err := unix.Fstat(s.fds[0], &st); err != nil {
		return os.NewSyscallError("fstat", err)
	}
	s.netns, s.tid = st.Ino, unix.Gettid()
	s.links, err = kernel.OpenLinks()
	return err
}

// do runs a function on a thread there. What the function makes of that thread, and
// what it panics with or ends by Goexit, is the caller's.
func (s *stage) do(f func()) {
	var entering error
	panicked, finished := any(nil), false
	done := make(chan struct{})
	go func() {
		runtime.LockOSThread() // and never unlock: the thread ends with the goroutine
		defer close(done)
		if entering = s.enter(); entering != nil {
			return
		}
		defer func() { panicked = recover() }()
		f()
		finished = true
	}()
	<-done
	switch {
	case entering != nil:
		panic(fmt.Sprintf("intercept: enter a kernel's namespaces: %v", entering))
	case panicked != nil:
		panic(panicked)
	case !finished:
		runtime.Goexit() // as FailNow does
	}
}

func (s *stage) enter() error {
	if err := unix.Unshare(unix.CLONE_FS); err != nil { // alone in it, a thread may enter another
		return os.NewSyscallError("unshare", err)
	}
	for i, kind := range []int{unix.CLONE_NEWNET, unix.CLONE_NEWNS} {
		if err := unix.Setns(s.fds[i], kind); err != nil {
			return os.NewSyscallError("setns", err)
		}
	}
	return nil
}

// end leaves the namespaces.
func (s *stage) end() error {
	close(s.quit)
	<-s.left
	return errors.Join(s.links.Close(), unix.Close(s.fds[0]), unix.Close(s.fds[1]))
}

// do runs a function where the kernel answers.
func (k *held) do(f func()) {
	if k.stage == nil {
		f()
		return
	}
	k.stage.do(f)
}
