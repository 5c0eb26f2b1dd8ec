//go:build amd64 || arm64

package intercept

import (
	"errors"
	"os"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/nkconform/nkconform/intercept/notify"
)

// A ring buffer's memory, and that of a perf event, cannot be in an epoll set. An eventfd
// of this process's is there in its place, edge-triggered: each record is an edge, as is a
// set that it comes into while there are records.

// ringEvents are EPOLLIN and the edges that stand for it.
const ringEvents = unix.EPOLLIN | unix.EPOLLET

// epollRule is for what is put into sets. Programs rarely do.
var epollRule = notify.Rule{Number: unix.SYS_EPOLL_CTL, When: []notify.Condition{{Arg: 1, Test: notify.Equal, Value: unix.EPOLL_CTL_ADD}}}

// epollCtl answers epoll_ctl(2) of ring buffers and perf events.
func (s *supervisor) epollCtl(c *notify.Call) {
	f, _ := s.files.find(c.TID, uint32(c.Args[2]))
	if f == nil || f.mapped == nil || f.perf == nil && !f.object.Ring() {
		_ = s.listener.Continue(c)
		return
	}
	who := s.caller(c)
	var event unix.EpollEvent
	p := unsafe.Slice((*byte)(unsafe.Pointer(&event)), unsafe.Sizeof(event))
	if who.Read(c.Args[3], p) != nil {
		_ = s.listener.Answer(c, 0, unix.EFAULT)
		return
	}
	set, err := s.borrow(c.TID, uint32(c.Args[0]))
	if err != nil {
		_ = s.listener.Answer(c, 0, unix.EBADF)
		return
	}
	defer unix.Close(set)
	errno := unix.Errno(0)
	unread := f.perf == nil && f.mapped.memory.unread() // a kernel tells of samples only those who wait already
	if err := f.mapped.memory.waitIn(set, event, unread); err != nil && !errors.As(err, &errno) {
		errno = unix.ENOMEM
	}
	_ = s.listener.Answer(c, 0, errno)
}

// waitIn puts what tells of records into an epoll set.
func (m *memory) waitIn(set int, event unix.EpollEvent, unread bool) error {
	if m.waiters.Load() < 0 {
		fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
		if err != nil {
			return err
		}
		m.waiters.Store(int32(fd))
	}
	if event.Events&unix.EPOLLIN != 0 {
		event.Events |= ringEvents
	}
	if err := unix.EpollCtl(set, unix.EPOLL_CTL_ADD, int(m.waiters.Load()), &event); err != nil {
		return err
	}
	if unread {
		m.Wake()
	}
	return nil
}

// unread reports whether the buffer's two positions differ: where its readers are, and
// a page behind it where its writers are.
func (m *memory) unread() bool {
	consumer, producer := (*uint64)(unsafe.Pointer(&m.data[0])), (*uint64)(unsafe.Pointer(&m.data[os.Getpagesize()]))
	return atomic.LoadUint64(consumer) != atomic.LoadUint64(producer)
}

// Wake has those look who wait for records. Whoever finds none waits again.
func (m *memory) Wake() {
	if fd := m.waiters.Load(); fd >= 0 {
		_, _ = unix.Write(int(fd), []byte{1, 0, 0, 0, 0, 0, 0, 0}) // full after many years
	}
}
