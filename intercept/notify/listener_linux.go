//go:build amd64 || arm64

package notify

import (
	"fmt"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Call is a system call that waits for an answer: struct seccomp_notif.
type Call struct {
	ID    uint64
	TID   uint32 // the calling thread, as this process numbers it
	flags uint32

	Number int32
	arch   uint32
	ip     uint64
	Args   [6]uint64
}

// response is struct seccomp_notif_resp.
type response struct {
	id    uint64
	value int64
	errno int32 // negative
	flags uint32
}

// addFD is struct seccomp_notif_addfd.
type addFD struct {
	id       uint64
	flags    uint32
	srcFD    uint32
	newFD    uint32
	newFlags uint32
}

// Listener receives calls and answers them. Receive is for one goroutine at a
// time, the others for any.
type Listener struct {
	fd int
}

func (l *Listener) ioctl(request uintptr, arg unsafe.Pointer) unix.Errno {
	_, _, errno := unix.RawSyscall(unix.SYS_IOCTL, uintptr(l.fd), request, uintptr(arg))
	return errno
}

// Receive waits for the next call. ENOENT means that the call received was
// taken back meanwhile, or that nobody is left to make one.
func (l *Listener) Receive(c *Call) error {
	for {
		*c = Call{}
		_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(l.fd), unix.SECCOMP_IOCTL_NOTIF_RECV,
			uintptr(unsafe.Pointer(c)))
		switch errno {
		case 0:
			return nil
		case unix.EINTR:
		default:
			return fmt.Errorf("receive a call: %w", errno)
		}
	}
}

// Answer has the call return a value, or fail if errno is not 0. ENOENT means
// that the caller is gone.
func (l *Listener) Answer(c *Call, value int64, errno unix.Errno) error {
	r := response{id: c.ID, value: value, errno: -int32(errno)}
	return l.send(&r)
}

// Continue has the kernel perform the call.
func (l *Listener) Continue(c *Call) error {
	return l.send(&response{id: c.ID, flags: unix.SECCOMP_USER_NOTIF_FLAG_CONTINUE})
}

func (l *Listener) send(r *response) error {
	if errno := l.ioctl(unix.SECCOMP_IOCTL_NOTIF_SEND, unsafe.Pointer(r)); errno != 0 {
		return fmt.Errorf("answer a call: %w", errno)
	}
	return nil
}

// Valid reports whether the call still waits: what was read from the caller's
// memory until then was the caller's, and not that of a later process with the
// same number.
func (l *Listener) Valid(c *Call) bool {
	return l.ioctl(unix.SECCOMP_IOCTL_NOTIF_ID_VALID, unsafe.Pointer(&c.ID)) == 0
}

// AnswerFD puts a copy of an fd into the caller, closed on exec if cloexec, and
// has the call return its number: both or none of it. The error is that of the
// caller's table, such as EMFILE, or ENOENT when the caller is gone; but for
// ENOENT the call still waits for an answer.
func (l *Listener) AnswerFD(c *Call, fd int, cloexec bool) (number int, err error) {
	return l.addFD(&addFD{id: c.ID, flags: unix.SECCOMP_ADDFD_FLAG_SEND, srcFD: uint32(fd), newFlags: openFlags(cloexec)})
}

// AnswerFDAt is AnswerFD with the number given. What is open by that number is
// closed.
func (l *Listener) AnswerFDAt(c *Call, fd, number int, cloexec bool) error {
	_, err := l.addFD(&addFD{
		id: c.ID, flags: unix.SECCOMP_ADDFD_FLAG_SEND | unix.SECCOMP_ADDFD_FLAG_SETFD,
		srcFD: uint32(fd), newFD: uint32(number), newFlags: openFlags(cloexec),
	})
	return err
}

func openFlags(cloexec bool) uint32 {
	if cloexec {
		return unix.O_CLOEXEC
	}
	return 0
}

// addFD makes the ioctl with every signal blocked. A signal, and Go's scheduler
// sends many, can otherwise end the wait for the caller to take the fd, which
// then finds its call answered with 0 and no fd.
func (l *Listener) addFD(a *addFD) (int, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	all, old := ^uint64(0), uint64(0)
	unix.RawSyscall6(unix.SYS_RT_SIGPROCMASK, unix.SIG_SETMASK, uintptr(unsafe.Pointer(&all)),
		uintptr(unsafe.Pointer(&old)), unsafe.Sizeof(all), 0, 0)
	n, _, errno := unix.RawSyscall(unix.SYS_IOCTL, uintptr(l.fd), unix.SECCOMP_IOCTL_NOTIF_ADDFD,
		uintptr(unsafe.Pointer(a)))
	unix.RawSyscall6(unix.SYS_RT_SIGPROCMASK, unix.SIG_SETMASK, uintptr(unsafe.Pointer(&old)), 0,
		unsafe.Sizeof(old), 0, 0)
	if errno != 0 {
		return -1, errno
	}
	return int(n), nil
}
