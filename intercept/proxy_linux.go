//go:build amd64 || arm64

package intercept

import (
	"os"

	"golang.org/x/sys/unix"

	"github.com/nkconform/nkconform/intercept/notify"
)

// proxy is one end of a pair of sockets, and often speaks for a socket of the
// running kernel's.
type proxy struct {
	s      *supervisor
	end    int
	owner  uint32 // the thread that opened it
	kernel int    // the running kernel's socket, -1: none
	queue  [][]byte
}

// send queues a datagram for the program.
func (p *proxy) send(datagram []byte) {
	p.queue = append(p.queue, datagram)
	p.flush()
}

// flush hands over what there is room for.
func (p *proxy) flush() {
	for len(p.queue) > 0 {
		if _, err := unix.Write(p.end, p.queue[0]); err == unix.EAGAIN {
			return
		}
		p.queue = p.queue[1:] // handed over, or nobody is there to take it
	}
	p.queue = nil
}

// received reads all that the running kernel has sent.
func (p *proxy) received() (datagrams [][]byte) {
	buf := make([]byte, 1<<16)
	for {
		size, _, err := unix.Recvfrom(p.kernel, buf, 0)
		if err != nil || size <= 0 {
			return datagrams
		}
		datagrams = append(datagrams, append([]byte(nil), buf[:size]...))
	}
}

// disconnect closes the running kernel's socket.
func (p *proxy) disconnect() {
	if p.kernel >= 0 {
		p.s.files.unwatch(p.kernel)
		unix.Close(p.kernel)
		p.kernel = -1
	}
}

// place answers socket(2) with a simulated socket, under the next free number
// from a given one on, or with an error.
func (s *supervisor) place(c *notify.Call, made *file, theirs int, first uint32) (number int, ok bool) {
	if unix.SetNonblock(made.end, true) != nil {
		s.abandon(made, c, unix.ENOMEM)
		return 0, false
	}
	if uint32(c.Args[1])&unix.SOCK_NONBLOCK != 0 {
		_ = unix.SetNonblock(theirs, true) // an fd of this process
	}
	number, err := s.putFrom(c, theirs, first)
	if err != nil {
		s.abandon(made, c, unix.EMFILE)
		return 0, false
	}
	s.files.readable(made)
	return number, true
}

// putFrom answers socket(2) with a socket, under the next free number from a given
// one on.
func (s *supervisor) putFrom(c *notify.Call, fd int, first uint32) (number int, err error) {
	for {
		if _, open := s.files.find(c.TID, first); !open {
			break
		}
		first++
	}
	number = int(first)
	cloexec := uint32(c.Args[1])&unix.SOCK_CLOEXEC != 0
	err = s.listener.AnswerFDAt(c, fd, number, cloexec)
	if err == unix.EBADF && raiseLimit(c.TID, uint64(number)+1) {
		err = s.listener.AnswerFDAt(c, fd, number, cloexec)
	}
	return number, err
}

// raiseLimit lets a process have fds with numbers below a limit.
func raiseLimit(tid uint32, limit uint64) bool {
	var r unix.Rlimit
	if unix.Prlimit(int(tid), unix.RLIMIT_NOFILE, nil, &r) != nil || r.Max < limit {
		return false
	}
	r.Cur = max(r.Cur, limit)
	return unix.Prlimit(int(tid), unix.RLIMIT_NOFILE, &r, nil) == nil
}

func (s *supervisor) abandon(made *file, c *notify.Call, errno unix.Errno) {
	made.socket.close()
	s.files.forget(made)
	_ = s.listener.Answer(c, 0, errno)
}

// watchSockets waits for what programs send and for what the running kernel
// tells, while no call is there to look for them.
func (s *supervisor) watchSockets() {
	events := make([]unix.EpollEvent, 1)
	for {
		// Only the arrival is waited for here; drainSockets looks what it is.
		n, err := unix.EpollWait(s.files.sockets, events, -1)
		if err != nil && err != unix.EINTR {
			return
		}
		if n > 0 && events[0].Fd == int32(s.files.quit) {
			return
		}
		s.mu.Lock()
		s.drainSockets()
		s.mu.Unlock()
	}
}

// drainSockets handles all that is there.
func (s *supervisor) drainSockets() {
	for {
		n := s.files.readableSockets()
		if len(n) == 0 {
			return
		}
		for _, e := range n {
			f := s.files.bySocket[e.Fd]
			switch {
			case s.wires.listensAt(e.Fd):
				s.wires.review()
			case f == nil:
				return // the end of it all
			case int(e.Fd) == f.socket.kernel:
				f.socket.notified()
			case e.Events&unix.EPOLLHUP != 0:
				f.socket.requests()
				s.files.hungUp(e.Fd)
			default:
				f.socket.requests()
			}
		}
	}
}

// buffer takes any datagram.
func (s *supervisor) buffer() []byte {
	if s.datagram == nil {
		s.datagram = make([]byte, max(1<<18, os.Getpagesize()))
	}
	return s.datagram
}
