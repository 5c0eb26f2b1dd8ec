//go:build amd64 || arm64

package intercept

import (
	"errors"
	"fmt"
	"runtime"

	"golang.org/x/sys/unix"

	"github.com/nkconform/nkconform/intercept/notify"
)

// mount answers mount(2) of file systems that are simulated: what passes for one is
// mounted instead, if this process may do that in the caller's mount namespace.
func (s *supervisor) mount(c *notify.Call) {
	who := s.caller(c)
	kind, ok := who.text(c.Args[2], 8)
	if !ok || !s.mountsOwn(kind) {
		_ = s.listener.Continue(c)
		return
	}
	dir, ok := who.text(c.Args[1], unix.PathMax)
	if !ok {
		_ = s.listener.Answer(c, 0, unix.EFAULT)
		return
	}
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlock: the thread ends with the goroutine
		done <- s.mountFor(who, kind, dir)
	}()
	err := <-done
	errno := unix.EPERM
	if err == nil {
		errno = 0
	} else {
		errors.As(err, &errno)
	}
	_ = s.listener.Answer(c, 0, errno)
	if s.log != nil {
		answer := "0"
		if errno != 0 {
			answer = fmt.Sprintf("-1 %s (%v)", unix.ErrnoName(errno), err)
		}
		s.log.line(c, fmt.Sprintf("mount(%s, %s)", kind, dir), answer)
	}
}

// mountsOwn reports whether file systems of a kind are simulated.
func (s *supervisor) mountsOwn(kind string) bool {
	switch kind {
	case "bpf":
		return true
	case "tracefs", "debugfs":
		return s.mounts
	case "cgroup2":
		return s.mounts && inUserNamespace()
	}
	return false
}

// mountFor mounts in the caller's mount namespace, which the current thread
// enters.
func (s *supervisor) mountFor(who *caller, kind, dir string) error {
	ns, err := unix.Open(who.proc("/ns/mnt"), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("mount namespace: %w", err)
	}
	defer unix.Close(ns)
	if err := unix.Unshare(unix.CLONE_FS); err != nil { // alone in it, a thread may enter another
		return fmt.Errorf("mount namespace: %w", err)
	}
	if err := unix.Setns(ns, unix.CLONE_NEWNS); err != nil {
		return fmt.Errorf("mount namespace: %w", err)
	}
	if kind == "bpf" {
		return s.mountBPF(dir, who.users())
	}
	return s.mountTree(kind, dir)
}
