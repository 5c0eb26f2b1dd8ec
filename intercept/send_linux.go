//go:build amd64 || arm64

package intercept

import (
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/nkconform/nkconform/intercept/notify"
)

// maxDatagram is more than any packet has.
const maxDatagram = 1 << 17

// What is sent through a packet socket, or with an address, is sent in the caller's
// place, and the call returns when the frame has gone its way through the hooks, as on
// a kernel. Programs are told the socket's mark and priority, which a TAP device does
// not pass on.

// sender is a socket of the caller's, of which there is a copy here.
type sender struct {
	fd     int
	domain int
	kind   int // SOCK_DGRAM and so on
}

// senderFD returns the socket that a call's first argument refers to, false if it is
// none that sends single packets.
func (s *supervisor) senderFD(c *notify.Call) (from sender, ok bool) {
	if f, _ := s.files.find(c.TID, uint32(c.Args[0])); f != nil {
		return from, false
	}
	var err error
	if from.fd, err = s.borrow(c.TID, uint32(c.Args[0])); err != nil {
		if err != unix.EBADF {
			s.warn(fmt.Sprintf("packets are sent without their marks, and senders do not learn of drops: the socket cannot be had: %v", err))
		}
		return from, false
	}
	from.domain, err = unix.GetsockoptInt(from.fd, unix.SOL_SOCKET, unix.SO_DOMAIN)
	if err == nil {
		from.kind, err = unix.GetsockoptInt(from.fd, unix.SOL_SOCKET, unix.SO_TYPE)
	}
	internet := from.domain == unix.AF_INET || from.domain == unix.AF_INET6
	if err != nil || from.domain != unix.AF_PACKET && (!internet || from.kind == unix.SOCK_STREAM) {
		unix.Close(from.fd)
		return from, false
	}
	return from, true
}

// sendto answers sendto(2).
func (s *supervisor) sendto(c *notify.Call) {
	if c.Args[0] < firstPacketFD && !s.wires.busy() {
		_ = s.listener.Continue(c)
		return
	}
	from, ok := s.senderFD(c)
	if !ok {
		_ = s.listener.Continue(c)
		return
	}
	defer unix.Close(from.fd)
	p := &packet{sender: from, flags: int(int32(c.Args[3]))}
	if c.Args[2] > maxDatagram {
		_ = s.listener.Answer(c, 0, unix.EMSGSIZE)
		return
	}
	p.data = make([]byte, c.Args[2])
	if s.caller(c).Read(c.Args[1], p.data) != nil {
		_ = s.listener.Answer(c, 0, unix.EFAULT)
		return
	}
	s.answerSend(c, p, c.Args[4], c.Args[5])
}

// sendmsg answers sendmsg(2) likewise.
func (s *supervisor) sendmsg(c *notify.Call) {
	from, ok := s.senderFD(c)
	if !ok || from.domain != unix.AF_PACKET {
		if ok {
			unix.Close(from.fd)
		}
		_ = s.listener.Continue(c)
		return
	}
	defer unix.Close(from.fd)
	who := s.caller(c)
	var header [headerSize]byte
	if who.Read(c.Args[1], header[:]) != nil {
		_ = s.listener.Answer(c, 0, unix.EFAULT)
		return
	}
	data, errno := gather(who, native.Uint64(header[headerIov:]), native.Uint64(header[headerIovLen:]))
	if errno != 0 {
		_ = s.listener.Answer(c, 0, errno)
		return
	}
	s.answerSend(c, &packet{sender: from, data: data, flags: int(int32(c.Args[2]))},
		native.Uint64(header[headerName:]), uint64(native.Uint32(header[headerNameLen:])))
}

// gather reads what an array of struct iovec refers to.
func gather(who *caller, address, count uint64) (data []byte, errno unix.Errno) {
	if count > maxIov {
		return nil, unix.EMSGSIZE
	}
	iov := make([]byte, 16*count)
	if who.Read(address, iov) != nil {
		return nil, unix.EFAULT
	}
	for ; len(iov) > 0; iov = iov[16:] {
		n := native.Uint64(iov[8:])
		if n > maxDatagram || uint64(len(data))+n > maxDatagram {
			return nil, unix.EMSGSIZE
		}
		piece := make([]byte, n)
		if who.Read(native.Uint64(iov), piece) != nil {
			return nil, unix.EFAULT
		}
		data = append(data, piece...)
	}
	return data, 0
}

// answerSend sends data to an address, or to where the socket is bound.
func (s *supervisor) answerSend(c *notify.Call, p *packet, address, addressSize uint64) {
	size := len(p.data)
	p.tid = c.TID
	if address != 0 && addressSize > 0 {
		p.address = make([]byte, min(addressSize, unix.SizeofSockaddrLinklayer+32))
		if s.caller(c).Read(address, p.address) != nil {
			_ = s.listener.Answer(c, 0, unix.EFAULT)
			return
		}
	}
	var errno unix.Errno
	if p.domain == unix.AF_PACKET {
		errno = s.sendPacket(p)
	} else {
		errno = s.sendDatagram(p)
	}
	s.wires.reap()
	switch {
	case errno == errDropped:
		errno = 0
	case errno == unix.EAGAIN && p.flags&unix.MSG_DONTWAIT == 0: // it may wait, in the kernel
		_ = s.listener.Continue(c)
		return
	}
	_ = s.listener.Answer(c, int64(size), errno)
}

// sendDatagram sends through a socket of IP.
func (s *supervisor) sendDatagram(p *packet) unix.Errno {
	netns, err := socketNetns(p.fd)
	if err != nil {
		return errnoUnix(err)
	}
	dropped, errno := s.wires.pump.send(netns, p.tags(), p.send)
	if errno == 0 && dropped != nil && p.toldOfDrops() {
		errno = unix.ENOBUFS
	}
	return errno
}

// tags are what the socket has programs told of its packets.
func (p *packet) tags() (t tags) {
	t.tid = p.tid
	if v, err := unix.GetsockoptInt(p.fd, unix.SOL_SOCKET, unix.SO_MARK); err == nil {
		t.mark = uint32(v)
	}
	if v, err := unix.GetsockoptInt(p.fd, unix.SOL_SOCKET, unix.SO_PRIORITY); err == nil {
		t.priority = uint32(v)
	}
	return t
}

// toldOfDrops reports whether the socket's user learns that a packet was dropped on
// its way out: who asks for it, and who sends ICMP (ip_send_skb, udp_send_skb,
// ping_v4_sendmsg).
func (p *packet) toldOfDrops() bool {
	protocol, err := unix.GetsockoptInt(p.fd, unix.SOL_SOCKET, unix.SO_PROTOCOL)
	if err == nil && p.kind == unix.SOCK_DGRAM && (protocol == unix.IPPROTO_ICMP || protocol == unix.IPPROTO_ICMPV6) {
		return true
	}
	level, option := unix.IPPROTO_IP, unix.IP_RECVERR
	if p.domain == unix.AF_INET6 {
		level, option = unix.IPPROTO_IPV6, unix.IPV6_RECVERR
	}
	asked, err := unix.GetsockoptInt(p.fd, level, option)
	return err == nil && asked != 0
}
