//go:build amd64 || arm64

package intercept

import (
	"errors"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/nkconform/nkconform/intercept/notify"
	"github.com/nkconform/nkconform/intercept/sim"
)

// uname answers uname(2): the host's name is the caller's, the version the
// simulated kernel's.
func (s *supervisor) uname(c *notify.Call) {
	who := s.caller(c)
	u, err := unameOf(who)
	if err != nil {
		_ = s.listener.Continue(c)
		return
	}
	v := sim.VersionOf(s.kernel.Running())
	setName(&u.Release, v.Release)
	setName(&u.Version, v.Build)
	errno := unix.Errno(0)
	if who.Write(sim.Segment{Address: c.Args[0], Data: unsafe.Slice((*byte)(unsafe.Pointer(&u)), unsafe.Sizeof(u))}) != nil {
		errno = unix.EFAULT
	}
	_ = s.listener.Answer(c, 0, errno)
}

func setName(field *[65]byte, text string) {
	clear(field[:])
	copy(field[:len(field)-1], text)
}

// unameOf asks in the caller's namespace for the host's name.
func unameOf(who *caller) (u unix.Utsname, err error) {
	var theirs, ours unix.Stat_t
	if err := errors.Join(unix.Stat(who.proc("/ns/uts"), &theirs), unix.Stat("/proc/thread-self/ns/uts", &ours)); err != nil {
		return u, err
	}
	if theirs.Ino == ours.Ino {
		return u, unix.Uname(&u)
	}
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlock: the thread ends with the goroutine
		done <- func() error {
			ns, err := unix.Open(who.proc("/ns/uts"), unix.O_RDONLY|unix.O_CLOEXEC, 0)
			if err != nil {
				return err
			}
			defer unix.Close(ns)
			if err := unix.Setns(ns, unix.CLONE_NEWUTS); err != nil {
				return err
			}
			return unix.Uname(&u)
		}()
	}()
	return u, <-done
}
