//go:build amd64 || arm64

package intercept

import (
	"bytes"
	"encoding/binary"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nkconform/nkconform/intercept/notify"
	"github.com/nkconform/nkconform/intercept/sim"
)

var native = binary.NativeEndian

// pidfdThread asks pidfd_open(2) for a thread (PIDFD_THREAD of linux/pidfd.h, since
// Linux 6.9).
const pidfdThread = unix.O_EXCL

// Receiving from a simulated socket gives the sender's address, which programs
// check, and which the pair of sockets that stands for it does not have. So this
// process receives in the caller's place.

// reception is a call that receives.
type reception struct {
	call     notify.Call
	socket   *netlinkSocket
	flags    int
	group    uint32    // for which the datagram is, 0: for the socket alone
	deadline time.Time // zero: none
}

// receive answers recvfrom(2) and recvmsg(2).
func (s *supervisor) receive(c *notify.Call) {
	n := s.netlinkFD(c)
	if n == nil {
		_ = s.listener.Continue(c)
		return
	}
	r := &reception{call: *c, socket: n}
	if uint32(c.Number) == unix.SYS_RECVMSG {
		r.flags = int(int32(c.Args[2]))
	} else {
		r.flags = int(int32(c.Args[3]))
	}
	n.requests()
	if !s.deliver(r, true) {
		s.waiting = append(s.waiting, r)
		s.wake()
	}
}

// deliver answers the call if there is something to receive, or if it is not to
// wait for it.
func (s *supervisor) deliver(r *reception, first bool) (answered bool) {
	fd, err := s.borrow(r.call.TID, uint32(r.call.Args[0]))
	if err != nil {
		_ = s.listener.Answer(&r.call, 0, unix.EBADF)
		return true
	}
	defer unix.Close(fd)
	r.socket.flush()
	buf := s.buffer()
	size, _, _, _, err := unix.Recvmsg(fd, buf, nil, r.flags&(unix.MSG_PEEK|unix.MSG_TRUNC)|unix.MSG_DONTWAIT|unix.MSG_TRUNC)
	if err == unix.EAGAIN {
		if first {
			return s.wouldBlock(r, fd)
		}
		return false
	}
	if err != nil {
		_ = s.listener.Answer(&r.call, 0, errnoUnix(err))
		return true
	}
	r.socket.flush() // there is room now
	datagram := buf[:min(size, len(buf))]
	r.group = r.socket.groupOf(datagram, r.flags)
	value, errno := s.hand(r, datagram)
	_ = s.listener.Answer(&r.call, value, errno)
	return true
}

// wouldBlock answers a call that may not wait, and notes until when another may.
func (s *supervisor) wouldBlock(r *reception, fd int) (answered bool) {
	flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
	if err != nil || flags&unix.O_NONBLOCK != 0 || r.flags&unix.MSG_DONTWAIT != 0 {
		_ = s.listener.Answer(&r.call, 0, unix.EAGAIN)
		return true
	}
	if limit, err := unix.GetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO); err == nil && limit.Nano() > 0 {
		r.deadline = time.Now().Add(time.Duration(limit.Nano()))
	}
	return false
}

// borrow returns a copy of a thread's fd.
func (s *supervisor) borrow(tid, fd uint32) (int, error) {
	pidfd, err := unix.PidfdOpen(int(tid), pidfdThread)
	if err != nil { // before Linux 6.9, of a whole process alone
		who := &caller{s: s, call: &notify.Call{TID: tid}}
		if pidfd, err = unix.PidfdOpen(int(who.leader()), 0); err != nil {
			return -1, err
		}
	}
	defer unix.Close(pidfd)
	return unix.PidfdGetfd(pidfd, int(fd), 0)
}

// hand writes a datagram to where the call wants it.
func (s *supervisor) hand(r *reception, datagram []byte) (value int64, errno unix.Errno) {
	who := s.caller(&r.call)
	if uint32(r.call.Number) != unix.SYS_RECVMSG {
		n := min(uint64(len(datagram)), r.call.Args[2])
		if who.Write(sim.Segment{Address: r.call.Args[1], Data: datagram[:n]}) != nil {
			return 0, unix.EFAULT
		}
		if r.call.Args[4] != 0 {
			if errno := writeAddress(who, r.call.Args[4], r.call.Args[5], netlinkAddress(0, groupMask(r.group))); errno != 0 {
				return 0, errno
			}
		}
		return received(r, datagram, n), 0
	}
	return s.handMessage(r, who, datagram)
}

// received is what receiving returns: the datagram's length if that is asked for,
// or else what there was room for.
func received(r *reception, datagram []byte, n uint64) int64 {
	if r.flags&unix.MSG_TRUNC != 0 {
		return int64(len(datagram))
	}
	return int64(n)
}

// Where struct msghdr has its fields.
const (
	headerName       = 0
	headerNameLen    = 8
	headerIov        = 16
	headerIovLen     = 24
	headerControl    = 32
	headerControlLen = 40
	headerFlags      = 48
	headerSize       = 56

	maxIov = 1024 // UIO_MAXIOV
)

func (s *supervisor) handMessage(r *reception, who *caller, datagram []byte) (value int64, errno unix.Errno) {
	var header [headerSize]byte
	at := r.call.Args[1]
	if who.Read(at, header[:]) != nil {
		return 0, unix.EFAULT
	}
	count := native.Uint64(header[headerIovLen:])
	if count > maxIov {
		return 0, unix.EMSGSIZE
	}
	iov := make([]byte, 16*count)
	if who.Read(native.Uint64(header[headerIov:]), iov) != nil {
		return 0, unix.EFAULT
	}
	var out []sim.Segment
	rest := datagram
	for ; len(iov) > 0 && len(rest) > 0; iov = iov[16:] {
		n := min(uint64(len(rest)), native.Uint64(iov[8:]))
		out = append(out, sim.Segment{Address: native.Uint64(iov), Data: rest[:n]})
		rest = rest[n:]
	}
	if name := native.Uint64(header[headerName:]); name != 0 {
		address := netlinkAddress(0, groupMask(r.group))
		room := min(native.Uint32(header[headerNameLen:]), uint32(len(address)))
		out = append(out, sim.Segment{Address: name, Data: address[:room]},
			sim.Segment{Address: at + headerNameLen, Data: native.AppendUint32(nil, uint32(len(address)))})
	}
	flags := uint32(0)
	if len(rest) > 0 {
		flags = unix.MSG_TRUNC
	}
	var control []byte
	if room := native.Uint64(header[headerControlLen:]); r.socket.informs {
		control = packetInfo(r.group)
		if room < packetInfoLength {
			room, flags = 0, flags|unix.MSG_CTRUNC
		}
		control = control[:min(room, uint64(len(control)))]
		out = append(out, sim.Segment{Address: native.Uint64(header[headerControl:]), Data: control})
	}
	out = append(out, sim.Segment{Address: at + headerControlLen, Data: native.AppendUint64(nil, uint64(len(control)))},
		sim.Segment{Address: at + headerFlags, Data: native.AppendUint32(nil, flags)})
	if who.Write(out...) != nil {
		return 0, unix.EFAULT
	}
	return received(r, datagram, uint64(len(datagram)-len(rest))), 0
}

func errnoUnix(err error) unix.Errno {
	if errno, ok := err.(unix.Errno); ok {
		return errno
	}
	return unix.EIO
}

// attend answers calls that wait to receive, and gives up those whose time is
// over, whose thread has a signal to handle, or who are gone. It reports whether
// calls are left.
func (s *supervisor) attend() (left bool) {
	kept := s.waiting[:0]
	for _, r := range s.waiting {
		switch {
		case !s.listener.Valid(&r.call), s.deliver(r, false):
		case !r.deadline.IsZero() && time.Now().After(r.deadline):
			_ = s.listener.Answer(&r.call, 0, unix.EAGAIN)
		case signalled(r.call.TID):
			_ = s.listener.Answer(&r.call, 0, unix.EINTR)
		default:
			kept = append(kept, r)
		}
	}
	clear(s.waiting[len(kept):])
	s.waiting = kept
	return len(kept) > 0
}

// signalled reports whether a thread has a signal pending that it does not
// block. While its call waits, only a deadly one reaches it.
func signalled(tid uint32) bool {
	status, err := os.ReadFile("/proc/" + strconv.FormatUint(uint64(tid), 10) + "/status")
	if err != nil {
		return true
	}
	mask := func(name string) uint64 {
		_, rest, _ := bytes.Cut(status, []byte("\n"+name+":\t"))
		line, _, _ := bytes.Cut(rest, []byte("\n"))
		v, err := strconv.ParseUint(string(line), 16, 64)
		if err != nil {
			return 0
		}
		return v
	}
	return (mask("SigPnd")|mask("ShdPnd"))&^mask("SigBlk") != 0
}
