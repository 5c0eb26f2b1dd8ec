package kernel

import (
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/nkconform/nkconform/mprog/attr"
)

// bpf calls bpf(2) on the current thread: Syscall, not RawSyscall, as a detach
// may wait for a grace period.
func bpf(cmd attr.Command, attr unsafe.Pointer, size uint32) (int, unix.Errno) {
	r, _, errno := unix.Syscall(unix.SYS_BPF, uintptr(cmd), uintptr(attr), uintptr(size))
	return int(r), errno
}

// closeFD is close(2) with the full range of numbers.
func closeFD(fd uint32) error {
	if _, _, errno := unix.Syscall(unix.SYS_CLOSE, uintptr(fd), 0, 0); errno != 0 {
		return errno
	}
	return nil
}
