//go:build amd64 || arm64

package notify

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// Memory is the memory of a thread's process (process_vm_readv(2)). It may be
// another process's as soon as the thread no longer waits for an answer.
type Memory struct {
	TID uint32
}

// Segment is a piece of memory to write.
type Segment struct {
	Address uint64
	Data    []byte
}

// maxSegments is how many segments one call writes.
const maxSegments = 8

// Read fills p from an address on, or fails: EFAULT when part of it cannot be
// read.
func (m Memory) Read(address uint64, p []byte) error {
	if len(p) == 0 {
		return nil
	}
	local := unix.Iovec{Base: &p[0], Len: uint64(len(p))}
	remote := remoteIovec{address, uint64(len(p))}
	n, errno := m.transfer(unix.SYS_PROCESS_VM_READV, &local, &remote, 1)
	return transferred(n, len(p), errno)
}

// ReadSome fills the front of p as far as memory can be read, and tells how
// many bytes that are. It does not fail unless nothing can.
func (m Memory) ReadSome(address uint64, p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	// A page at a time: a segment that is in part unreadable is not read at all
	// by some kernels.
	done := 0
	for done < len(p) {
		n := min(len(p)-done, int(pageSize-(address+uint64(done))%pageSize))
		if err := m.Read(address+uint64(done), p[done:done+n]); err != nil {
			if done == 0 {
				return 0, err
			}
			return done, nil
		}
		done += n
	}
	return done, nil
}

const pageSize = 4096

// Write writes every segment, or fails: EFAULT when part of one cannot be
// written. Segments in front of that are written all the same.
func (m Memory) Write(segments ...Segment) error {
	for len(segments) > 0 {
		n := min(len(segments), maxSegments)
		if err := m.write(segments[:n]); err != nil {
			return err
		}
		segments = segments[n:]
	}
	return nil
}

func (m Memory) write(segments []Segment) error {
	var (
		local  [maxSegments]unix.Iovec
		remote [maxSegments]remoteIovec
		n      int
		total  int
	)
	for _, s := range segments {
		if len(s.Data) == 0 {
			continue
		}
		local[n] = unix.Iovec{Base: &s.Data[0], Len: uint64(len(s.Data))}
		remote[n] = remoteIovec{s.Address, uint64(len(s.Data))}
		total += len(s.Data)
		n++
	}
	if n == 0 {
		return nil
	}
	written, errno := m.transfer(unix.SYS_PROCESS_VM_WRITEV, &local[0], &remote[0], n)
	return transferred(written, total, errno)
}

// remoteIovec is struct iovec with an address that is not this process's.
type remoteIovec struct {
	base, length uint64
}

func (m Memory) transfer(call uintptr, local *unix.Iovec, remote *remoteIovec, n int) (int, unix.Errno) {
	r, _, errno := unix.RawSyscall6(call, uintptr(m.TID), uintptr(unsafe.Pointer(local)), uintptr(n),
		uintptr(unsafe.Pointer(remote)), uintptr(n), 0)
	return int(r), errno
}

// transferred turns a short transfer into what the kernel's own copy would say.
func transferred(n, want int, errno unix.Errno) error {
	switch {
	case errno != 0:
		return errno
	case n != want:
		return unix.EFAULT
	}
	return nil
}
