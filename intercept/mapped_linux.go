//go:build amd64 || arm64

package intercept

import (
	"fmt"
	"io"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/nkconform/nkconform/intercept/notify"
	"github.com/nkconform/nkconform/intercept/sim"
)

// A socket cannot be mapped. What stands for a map or perf event that can is a memfd, opened
// anew for each fd handed out. inotify(7) tells that one was closed, and unmapped
// wherever it was mapped; which one it was is told by locks, of which each holds
// one on a byte of its own as long as it is open.

// mappedFile are the open file descriptions of a memory.
type mappedFile struct {
	memory  *memory
	watch   int
	handles map[int64]handle // by the byte that is locked
	next    int64
	closed  bool // one was, and has not been found yet
}

// handle is what an open file description refers to: a map or a perf event.
type handle interface{ Close() }

// injectMapped answers a call with a new fd of what can be mapped.
func (f *files) injectMapped(l *notify.Listener, c *notify.Call, o handle, m *memory, cloexec bool) (number int, err error) {
	fd, err := unix.Open("/proc/self/fd/"+strconv.Itoa(m.fd), unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("open memory: %w", err)
	}
	defer unix.Close(fd)
	made, err := f.mapped(m, o)
	if err != nil {
		return -1, err
	}
	h := made.mapped
	h.next++
	lock := unix.Flock_t{Type: unix.F_WRLCK, Whence: io.SeekStart, Start: h.next, Len: 1}
	if err := unix.FcntlFlock(uintptr(fd), unix.F_OFD_SETLK, &lock); err != nil {
		return -1, fmt.Errorf("lock memory: %w", err)
	}
	if number, err = l.AnswerFD(c, fd, cloexec); err != nil {
		return -1, err
	}
	h.handles[h.next] = o
	return number, nil
}

// mapped returns what is known of a memory.
func (f *files) mapped(m *memory, o handle) (*file, error) {
	var st unix.Stat_t
	if err := unix.Fstat(m.fd, &st); err != nil {
		return nil, fmt.Errorf("fstat: %w", err)
	}
	key := fileKey{st.Dev, st.Ino}
	if known := f.byKey[key]; known != nil {
		return known, nil
	}
	wd, err := unix.InotifyAddWatch(f.inotify, "/proc/self/fd/"+strconv.Itoa(m.fd), unix.IN_CLOSE)
	if err != nil {
		return nil, fmt.Errorf("watch memory: %w", err)
	}
	made := &file{key: key, end: -1, mapped: &mappedFile{memory: m, watch: wd, handles: map[int64]handle{}}}
	made.refer(o)
	f.byKey[key] = made
	f.byWatch[int32(wd)] = made
	return made, nil
}

// review finds which descriptions of a memory are closed.
func (f *files) review(m *file) {
	h := m.mapped
	if !h.closed {
		return
	}
	for start, o := range h.handles {
		lock := unix.Flock_t{Type: unix.F_WRLCK, Whence: io.SeekStart, Start: start, Len: 1}
		if unix.FcntlFlock(uintptr(h.memory.fd), unix.F_OFD_GETLK, &lock) != nil || lock.Type != unix.F_UNLCK {
			continue
		}
		h.closed = false
		delete(h.handles, start)
		if len(h.handles) == 0 {
			delete(f.byKey, m.key)
			delete(f.byWatch, int32(h.watch))
			_, _ = unix.InotifyRmWatch(f.inotify, uint32(h.watch)) // the memory may go on, pinned
		}
		o.Close()
	}
	for _, o := range h.handles {
		m.refer(o)
	}
}

// refer says what the program's fds of a memory are.
func (f *file) refer(to handle) {
	switch to := to.(type) {
	case *sim.Object:
		f.object = to
	case *perfEvent:
		f.perf = to
	}
}
