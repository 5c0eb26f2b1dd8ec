//go:build amd64 || arm64

package intercept

import (
	"golang.org/x/sys/unix"

	"github.com/nkconform/nkconform/intercept/notify"
)

// maxDatagram is more than any packet has.
const maxDatagram = 1 << 17

// packetFD returns a copy of the packet socket that a call's first argument refers
// to, false if it is another fd.
func (s *supervisor) packetFD(c *notify.Call) (fd int, ok bool) {
	if f, _ := s.files.find(c.TID, uint32(c.Args[0])); f != nil {
		return -1, false
	}
	fd, err := s.borrow(c.TID, uint32(c.Args[0]))
	if err != nil {
		return -1, false
	}
	if domain, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DOMAIN); err != nil || domain != unix.AF_PACKET {
		unix.Close(fd)
		return -1, false
	}
	return fd, true
}

// sendto answers sendto(2) through a packet socket.
func (s *supervisor) sendto(c *notify.Call) {
	fd, ok := s.packetFD(c)
	if !ok {
		_ = s.listener.Continue(c)
		return
	}
	defer unix.Close(fd)
	p := &packet{socket: fd, flags: int(int32(c.Args[3]))}
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
	fd, ok := s.packetFD(c)
	if !ok {
		_ = s.listener.Continue(c)
		return
	}
	defer unix.Close(fd)
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
	s.answerSend(c, &packet{socket: fd, data: data, flags: int(int32(c.Args[2]))},
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
	if address != 0 && addressSize > 0 {
		p.address = make([]byte, min(addressSize, unix.SizeofSockaddrLinklayer+32))
		if s.caller(c).Read(address, p.address) != nil {
			_ = s.listener.Answer(c, 0, unix.EFAULT)
			return
		}
	}
	errno := s.sendPacket(p)
	if errno == errDropped {
		errno = 0
	}
	s.wires.reap()
	_ = s.listener.Answer(c, int64(size), errno)
}
