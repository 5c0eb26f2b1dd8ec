//go:build amd64 || arm64

package intercept

import (
	"errors"
	"fmt"
	"runtime"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/nkconform/nkconform/intercept/machine"
	"github.com/nkconform/nkconform/intercept/rtnl"
	"github.com/nkconform/nkconform/mprog"
)

// pump takes frames from TAP devices through the hooks to the devices at the other
// ends.
type pump struct {
	s *supervisor

	mu      sync.Mutex // held while frames are on their way
	epoll   int
	quit    int
	ended   chan struct{}
	ends    map[int32]*end
	dead    []*end // whose devices are gone
	events  [64]unix.EpollEvent
	buffer  []byte
	started bool
	senders map[sendsIn]int // packet sockets

	// While a packet is sent: from which namespace, by whom, and where a frame of it
	// was dropped at once.
	sending uint64
	sender  tags
	refused *end
}

// end is one end of a pair, as the pump sees it.
type end struct {
	tap     tap
	device  *rtnl.Device // or
	tether  *tether
	carrier bool

	// By the pump's lock, and written under the supervisor's as well, so that who holds
	// either may read:
	peer    *end // nil: none
	name    string
	netns   uint64
	index   uint32
	mac     [6]byte // the TAP device's
	own     [6]byte // that of the device it stands for, if that is another
	layer3  bool    // which is zero then
	up      bool
	policy  mprog.NetkitPolicy
	outside machine.Outside
	room    [2]uint16 // headroom and tailroom
	scrub   bool      // a packet for another namespace loses its mark and priority

	counts rtnl.Counts // by the pump's lock alone
}

func newPump(s *supervisor) *pump {
	return &pump{s: s, ends: make(map[int32]*end), senders: make(map[sendsIn]int)}
}

// maxFrame is more than any frame has, with room in front for what tells of it.
const maxFrame = 1 << 17

func (p *pump) start() (err error) {
	if p.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return fmt.Errorf("epoll: %w", err)
	}
	if p.quit, err = unix.Eventfd(0, unix.EFD_CLOEXEC); err != nil {
		unix.Close(p.epoll)
		return fmt.Errorf("eventfd: %w", err)
	}
	err = errors.Join(p.s.files.await(p.epoll, p.quit), p.s.files.await(p.epoll, p.s.files.epoll))
	if err != nil {
		unix.Close(p.epoll)
		unix.Close(p.quit)
		return err
	}
	p.buffer = make([]byte, maxFrame)
	p.ended, p.started = make(chan struct{}), true
	go p.run()
	return nil
}

func (p *pump) stop() {
	if !p.started {
		return
	}
	p.started = false
	_, _ = unix.Write(p.quit, []byte{1, 0, 0, 0, 0, 0, 0, 0}) // cannot be full
	<-p.ended
	unix.Close(p.epoll)
	unix.Close(p.quit)
}

// run waits for frames.
func (p *pump) run() {
	runtime.LockOSThread() // wake-ups go to one thread
	defer runtime.UnlockOSThread()
	defer close(p.ended)
	events := make([]unix.EpollEvent, 1)
	for {
		n, err := unix.EpollWait(p.epoll, events, -1)
		if err != nil && err != unix.EINTR {
			return
		}
		if n > 0 && events[0].Fd == int32(p.quit) {
			return
		}
		p.mu.Lock()
		_, closed := p.drain()
		dead := len(p.dead) > 0
		p.mu.Unlock()
		if closed || dead {
			p.s.mu.Lock()
			p.s.files.drain()
			p.s.wires.review()
			p.s.mu.Unlock()
		}
	}
}

// flush handles the frames that have been sent until now. The supervisor's lock is
// held.
func (p *pump) flush() {
	if !p.started {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for range maxRounds {
		switch frames, closed := p.drain(); {
		case closed:
			p.s.files.drain()
		case frames == 0:
			return
		}
	}
}

// maxRounds is how often frames that answer frames are waited for.
const maxRounds = 16

// drain handles the frames that are there, and returns how many. If a program has
// closed what may be on their way, that is to be seen to first, and closed is true.
func (p *pump) drain() (frames int, closed bool) {
	n, err := unix.EpollWait(p.epoll, p.events[:], 0)
	if err != nil {
		return 0, false
	}
	for _, event := range p.events[:n] {
		if event.Fd == int32(p.s.files.epoll) {
			return 0, true
		}
	}
	for _, event := range p.events[:n] {
		e := p.ends[event.Fd]
		switch {
		case e == nil:
		case event.Events&unix.EPOLLERR != 0:
			p.ignore(e)
			p.dead = append(p.dead, e)
		default:
			frames += p.take(e)
		}
	}
	return frames, false
}

// burst is how many frames of one device are handled in a row.
const burst = 64

func (p *pump) take(e *end) (frames int) {
	for range burst {
		n, err := unix.Read(int(e.tap), p.buffer)
		if err != nil || n < vnetHeader+linkHeader {
			return frames
		}
		frames++
		p.transmit(e, p.buffer[:n])
	}
	return frames
}

// add has a device's frames handled.
func (p *pump) add(e *end) {
	p.mu.Lock()
	defer p.mu.Unlock()
	e.outside = around{outside(e.tap.netns), e, p}
	p.ends[int32(e.tap)] = e
	_ = p.s.files.await(p.epoll, int(e.tap)) // without memory, it carries nothing
}

// remove has a device's frames no longer handled, and its peer have none. The
// supervisor's lock is held.
func (p *pump) remove(e *end) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ignore(e)
	if e.peer != nil && e.peer.peer == e {
		e.peer.peer = nil
	}
}

// ignore has a device's frames no longer handled.
func (p *pump) ignore(e *end) {
	if p.ends[int32(e.tap)] == e {
		delete(p.ends, int32(e.tap))
		_ = unix.EpollCtl(p.epoll, unix.EPOLL_CTL_DEL, int(e.tap), nil)
	}
}

// change changes what is the pump's.
func (p *pump) change(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f()
}

// gone returns the ends whose devices have been found gone since.
func (p *pump) gone() (dead []*end) {
	p.mu.Lock()
	defer p.mu.Unlock()
	dead, p.dead = p.dead, nil
	return dead
}

// tags are what programs are told of a packet by whoever sends it.
type tags struct{ mark, priority, tid uint32 }

// send has a packet sent from a namespace, and waits until it has gone its way. It
// returns the device on which a frame was dropped then, as its sender is told, nil if
// none was.
func (p *pump) send(netns uint64, t tags, f func() unix.Errno) (dropped *end, errno unix.Errno) {
	p.flush()
	p.change(func() { p.sending, p.sender, p.refused = netns, t, nil })
	errno = f()
	p.flush()
	p.change(func() { dropped, p.sending, p.refused = p.refused, 0, nil })
	return dropped, errno
}
