//go:build amd64 || arm64

package intercept

import (
	"os"

	"golang.org/x/sys/unix"

	"github.com/nkconform/nkconform/intercept/notify"
)

// socket is a simulated socket of the program.
type socket interface {
	// requests handles what the program has sent since.
	requests()
	// notified hands on what the running kernel's socket has received.
	notified()
	// flush hands over what there was no room for.
	flush()
	// address is what receiving says that a datagram comes from.
	address() []byte
	close()
	kernelFD() int
}

// proxy is what simulated sockets have in common: they are one end of a pair of
// sockets, and often speak for a socket of the running kernel's.
type proxy struct {
	s      *supervisor
	end    int
	owner  uint32 // the thread that opened it
	kernel int    // the running kernel's socket, -1: none
	queue  [][]byte
}

func (p *proxy) kernelFD() int { return p.kernel }

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
	kind := uint32(c.Args[1])
	if unix.SetNonblock(made.end, true) != nil {
		s.abandon(made, c, unix.ENOMEM)
		return 0, false
	}
	if kind&unix.SOCK_NONBLOCK != 0 {
		_ = unix.SetNonblock(theirs, true) // an fd of this process
	}
	for {
		if _, open := s.files.find(c.TID, first); !open {
			break
		}
		first++
	}
	number = int(first)
	err := s.listener.AnswerFDAt(c, theirs, number, kind&unix.SOCK_CLOEXEC != 0)
	if err == unix.EBADF && raiseLimit(c.TID, uint64(number)+1) {
		err = s.listener.AnswerFDAt(c, theirs, number, kind&unix.SOCK_CLOEXEC != 0)
	}
	if err != nil {
		s.abandon(made, c, unix.EMFILE)
		return 0, false
	}
	s.files.readable(made)
	return number, true
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

// socketFD returns the simulated socket that a call's first argument refers to,
// nil if it is another fd.
func (s *supervisor) socketFD(c *notify.Call) socket {
	f, _ := s.files.find(c.TID, uint32(c.Args[0]))
	if f == nil {
		return nil
	}
	return f.socket
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
			case f == nil:
				return // the end of it all
			case int(e.Fd) == f.socket.kernelFD():
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
