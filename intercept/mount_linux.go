//go:build amd64 || arm64

package intercept

import (
	"fmt"
	"runtime"

	"golang.org/x/sys/unix"

	"github.com/nkconform/nkconform/intercept/notify"
)

// mount answers mount(2) of a bpf file system: what passes for one is mounted
// instead, if this process may do that in the caller's mount namespace.
func (s *supervisor) mount(c *notify.Call) {
	who := s.caller(c)
	kind, ok := who.text(c.Args[2], 8)
	if !ok || kind != "bpf" {
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
		done <- s.mountFor(who, dir)
	}()
	if err := <-done; err != nil {
		_ = s.listener.Answer(c, 0, unix.EPERM)
		return
	}
	_ = s.listener.Answer(c, 0, 0)
}

// mountFor mounts in the caller's mount namespace, which the current thread
// enters.
func (s *supervisor) mountFor(who *caller, dir string) error {
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
	return s.mountBPF(dir)
}
