package kernel

import (
	"fmt"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/nkconform/nkconform/mprog/attr"
)

// systemCall is one that other goroutines may work during, as a detach may wait
// for a grace period. Where there is one processor only, the runtime's scheduler
// would mostly get in the way: in User-Mode Linux, where each system call takes
// longer than it has patience for, it moves the processor to another thread and
// back each time.
//
//go:uintptrescapes
func systemCall(trap, a1, a2, a3, a4, a5, a6 uintptr) (uintptr, unix.Errno) {
	if oneCPU {
		r, _, errno := unix.RawSyscall6(trap, a1, a2, a3, a4, a5, a6)
		return r, errno
	}
	r, _, errno := unix.Syscall6(trap, a1, a2, a3, a4, a5, a6)
	return r, errno
}

var oneCPU = runtime.NumCPU() == 1

// bpf calls bpf(2) on the current thread.
func bpf(cmd attr.Command, attr unsafe.Pointer, size uint32) (int, unix.Errno) {
	r, errno := systemCall(unix.SYS_BPF, uintptr(cmd), uintptr(attr), uintptr(size), 0, 0, 0)
	return int(r), errno
}

// dupFD gives an open descriptor another number, not below the lowest.
func dupFD(fd uintptr, lowest int) (int, error) {
	n, errno := systemCall(unix.SYS_FCNTL, fd, unix.F_DUPFD_CLOEXEC, uintptr(lowest), 0, 0, 0)
	if errno != 0 {
		return -1, errno
	}
	return int(n), nil
}

// closeFD is close(2) with the full range of numbers.
func closeFD(fd uint32) error {
	if _, errno := systemCall(unix.SYS_CLOSE, uintptr(fd), 0, 0, 0, 0, 0); errno != 0 {
		return errno
	}
	return nil
}

// send is send(2), receive is recv(2).
func send(fd int, b []byte) error {
	p := unsafe.Pointer(unsafe.SliceData(b))
	_, errno := systemCall(unix.SYS_SENDTO, uintptr(fd), uintptr(p), uintptr(len(b)), 0, 0, 0)
	if errno != 0 {
		return errno
	}
	return nil
}

func receive(fd int, b []byte, flags int) (int, error) {
	p := unsafe.Pointer(unsafe.SliceData(b))
	n, errno := systemCall(unix.SYS_RECVFROM, uintptr(fd), uintptr(p), uintptr(len(b)), uintptr(flags), 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}

// ioctl is ioctl(2) with a structure.
func ioctl(fd int, request uintptr, p unsafe.Pointer) error {
	if _, errno := systemCall(unix.SYS_IOCTL, uintptr(fd), request, uintptr(p), 0, 0, 0); errno != 0 {
		return errno
	}
	return nil
}

// closeRange is close_range(2).
func closeRange(first, last int) error {
	if _, errno := systemCall(unix.SYS_CLOSE_RANGE, uintptr(first), uintptr(last), 0, 0, 0, 0); errno != 0 {
		return fmt.Errorf("close_range: %w", errno)
	}
	return nil
}
