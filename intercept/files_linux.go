//go:build amd64 || arm64

package intercept

import (
	"errors"
	"fmt"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/nkconform/nkconform/intercept/notify"
	"github.com/nkconform/nkconform/intercept/sim"
)

// files are the open file descriptions that were put into the program. Each is
// one end of a pair of sockets; the other end, which stays here, hangs up when
// the last copy of the first is closed, wherever it has got to by then.
type files struct {
	epoll       int
	byKey       map[fileKey]*file
	byEnd       map[int32]*file
	event       [64]unix.EpollEvent
	socketEvent [16]unix.EpollEvent

	inotify  int
	pins     map[int32]sim.PinKey // by watch descriptor
	unpinned func(sim.PinKey)
	byWatch  map[int32]*file // memory of maps

	sockets  int             // an epoll set of simulated sockets' ends
	bySocket map[int32]*file // by the end, or by the running kernel's socket
	quit     int             // an eventfd that ends the wait for them
}

// fileKey identifies an open file by its inode, which is the same for every copy
// of an fd and under every number.
type fileKey struct{ device, inode uint64 }

// file is an open file description in the program.
type file struct {
	key    fileKey
	end    int         // the end that stays here
	object *sim.Object // or
	socket *netlinkSocket
	perf   *perfEvent
	mapped *mappedFile // besides object
}

func newFiles() (*files, error) {
	f := &files{
		byKey: make(map[fileKey]*file), byEnd: make(map[int32]*file), bySocket: make(map[int32]*file),
		pins: make(map[int32]sim.PinKey), byWatch: make(map[int32]*file), epoll: -1, inotify: -1, sockets: -1, quit: -1,
	}
	var err error
	try := func(fd *int, what string, open func() (int, error)) {
		if err != nil {
			return
		}
		if *fd, err = open(); err != nil {
			err = fmt.Errorf("%s: %w", what, err)
		}
	}
	try(&f.epoll, "epoll", func() (int, error) { return unix.EpollCreate1(unix.EPOLL_CLOEXEC) })
	try(&f.sockets, "epoll", func() (int, error) { return unix.EpollCreate1(unix.EPOLL_CLOEXEC) })
	try(&f.inotify, "inotify", func() (int, error) { return unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK) })
	try(&f.quit, "eventfd", func() (int, error) { return unix.Eventfd(0, unix.EFD_CLOEXEC) })
	if err == nil {
		err = errors.Join(f.await(f.epoll, f.inotify), f.await(f.sockets, f.quit))
	}
	if err != nil {
		f.close()
		return nil, err
	}
	return f, nil
}

// await has an epoll set tell when something can be read.
func (f *files) await(epoll, fd int) error {
	event := unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)}
	if err := unix.EpollCtl(epoll, unix.EPOLL_CTL_ADD, fd, &event); err != nil {
		return fmt.Errorf("epoll: %w", err)
	}
	return nil
}

// close closes everything that is known here. The program's copies then lead
// nowhere.
func (f *files) close() {
	for _, open := range f.byEnd {
		unix.Close(open.end)
	}
	for _, fd := range []int{f.epoll, f.sockets, f.inotify, f.quit} {
		if fd >= 0 {
			unix.Close(fd)
		}
	}
}

// readable has what is sent on a simulated socket answered from now on.
func (f *files) readable(made *file) {
	f.bySocket[int32(made.end)] = made
	_ = f.await(f.sockets, made.end) // without memory, the next call finds them
}

// readableKernel has handed on what the running kernel's socket receives.
func (f *files) readableKernel(p *proxy) {
	if f.bySocket[int32(p.kernel)] == nil {
		f.bySocket[int32(p.kernel)] = f.byEnd[int32(p.end)]
		_ = f.await(f.sockets, p.kernel)
	}
}

// unwatch undoes readableKernel.
func (f *files) unwatch(fd int) { delete(f.bySocket, int32(fd)) }

// readableSockets returns which simulated sockets have something to read.
func (f *files) readableSockets() []unix.EpollEvent {
	n, err := unix.EpollWait(f.sockets, f.socketEvent[:], 0)
	if err != nil {
		return nil
	}
	return f.socketEvent[:n]
}

// drain closes what hung up since. A program's close(2) returns after the
// hang-up, so that its next call finds the close done.
func (f *files) drain() {
	for _, m := range f.byWatch {
		f.review(m)
	}
	for {
		n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(f.epoll),
			uintptr(unsafe.Pointer(&f.event)), uintptr(len(f.event)), 0, 0, 0)
		if errno != 0 || n == 0 {
			return
		}
		for _, e := range f.event[:n] {
			if e.Fd == int32(f.inotify) {
				f.unlinked()
				continue
			}
			f.hungUp(e.Fd)
		}
	}
}

func (f *files) hungUp(end int32) {
	gone := f.byEnd[end]
	if gone == nil { // or it would hang up for ever
		_ = unix.EpollCtl(f.epoll, unix.EPOLL_CTL_DEL, int(end), nil)
		return
	}
	f.forget(gone)
	if gone.object != nil {
		gone.object.Close()
	}
	if gone.socket != nil {
		gone.socket.close()
	}
	if gone.perf != nil {
		gone.perf.Close()
	}
}

func (f *files) forget(gone *file) {
	delete(f.byEnd, int32(gone.end))
	delete(f.bySocket, int32(gone.end))
	delete(f.byKey, gone.key)
	unix.Close(gone.end) // which takes it out of the epoll set, too
}

// inject answers a call with a new fd of an object. When it fails, nothing of
// it is left.
func (f *files) inject(l *notify.Listener, c *notify.Call, o *sim.Object) (number int, err error) {
	if m, ok := o.Memory().(*memory); ok {
		return f.injectMapped(l, c, o, m, true)
	}
	open := f.pair
	if o.ReadOnly() {
		open = f.readOnly
	}
	made, theirs, err := open()
	if err != nil {
		return -1, err
	}
	defer unix.Close(theirs)
	made.object = o
	if o.Kind == sim.Iterator {
		_ = unix.Shutdown(made.end, unix.SHUT_WR) // a read is at the end
	}
	number, err = l.AnswerFD(c, theirs, true)
	if err != nil {
		f.forget(made)
	}
	return number, err
}

// pair makes an open file description, known here, and returns the fd to hand
// out.
func (f *files) pair() (made *file, theirs int, err error) {
	ends, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, -1, fmt.Errorf("socketpair: %w", err)
	}
	made, err = f.register(ends[0], ends[1])
	if err != nil {
		return nil, -1, errors.Join(err, unix.Close(ends[0]), unix.Close(ends[1]))
	}
	return made, ends[1], nil
}

// readOnly is like pair, and the fd to hand out is O_RDONLY: it is a pipe's.
func (f *files) readOnly() (made *file, theirs int, err error) {
	var ends [2]int
	if err := unix.Pipe2(ends[:], unix.O_CLOEXEC); err != nil {
		return nil, -1, fmt.Errorf("pipe: %w", err)
	}
	made, err = f.register(ends[1], ends[0])
	if err != nil {
		return nil, -1, errors.Join(err, unix.Close(ends[0]), unix.Close(ends[1]))
	}
	return made, ends[0], nil
}

func (f *files) register(ours, theirs int) (*file, error) {
	var st unix.Stat_t
	if err := unix.Fstat(theirs, &st); err != nil {
		return nil, fmt.Errorf("fstat: %w", err)
	}
	made := &file{key: fileKey{st.Dev, st.Ino}, end: ours}
	event := unix.EpollEvent{Fd: int32(ours)} // a hang-up is always reported
	if err := unix.EpollCtl(f.epoll, unix.EPOLL_CTL_ADD, ours, &event); err != nil {
		return nil, fmt.Errorf("epoll: %w", err)
	}
	f.byKey[made.key] = made
	f.byEnd[int32(ours)] = made
	return made, nil
}

// find returns the file behind a thread's fd, nil when it is none of these, and
// whether the fd is open.
func (f *files) find(tid, fd uint32) (found *file, open bool) {
	var path [64]byte
	p := append(path[:0], "/proc/"...)
	p = strconv.AppendUint(p, uint64(tid), 10)
	p = append(p, "/fd/"...)
	p = strconv.AppendUint(p, uint64(fd), 10)
	p = append(p, 0)
	var st unix.Stat_t
	_, _, errno := unix.RawSyscall6(sysFstatat, atFDCWD, uintptr(unsafe.Pointer(&p[0])),
		uintptr(unsafe.Pointer(&st)), 0, 0, 0)
	if errno != 0 {
		return nil, false
	}
	return f.byKey[fileKey{st.Dev, st.Ino}], true
}

// atFDCWD is AT_FDCWD as an argument.
const atFDCWD = ^uintptr(99)
