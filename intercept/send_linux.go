//go:build amd64 || arm64

package intercept

import (
	"golang.org/x/sys/unix"

	"github.com/nkconform/nkconform/intercept/notify"
)

// maxDatagram is more than any packet has.
const maxDatagram = 1 << 17

// sendto answers sendto(2) through a packet socket.
func (s *supervisor) sendto(c *notify.Call) {
	p, _ := s.socketFD(c).(*packetSocket)
	if p == nil {
		_ = s.listener.Continue(c)
		return
	}
	s.answerSend(c, p, c.Args[1], c.Args[2], c.Args[4], c.Args[5])
}

// sendmsg answers sendmsg(2) likewise.
func (s *supervisor) sendmsg(c *notify.Call) {
	p, _ := s.socketFD(c).(*packetSocket)
	if p == nil {
		_ = s.listener.Continue(c)
		return
	}
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
	s.answerData(c, p, data, native.Uint64(header[headerName:]), uint64(native.Uint32(header[headerNameLen:])))
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

func (s *supervisor) answerSend(c *notify.Call, p *packetSocket, buffer, size, address, addressSize uint64) {
	if size > maxDatagram {
		_ = s.listener.Answer(c, 0, unix.EMSGSIZE)
		return
	}
	data := make([]byte, size)
	if s.caller(c).Read(buffer, data) != nil {
		_ = s.listener.Answer(c, 0, unix.EFAULT)
		return
	}
	s.answerData(c, p, data, address, addressSize)
}

// answerData sends data to an address, or to where the socket is bound.
func (s *supervisor) answerData(c *notify.Call, p *packetSocket, data []byte, address, addressSize uint64) {
	to, size := p.ownAddress(), len(data)
	errno := unix.Errno(0)
	if address != 0 {
		raw := make([]byte, min(addressSize, unix.SizeofSockaddrLinklayer))
		if s.caller(c).Read(address, raw) != nil {
			_ = s.listener.Answer(c, 0, unix.EFAULT)
			return
		}
		to, errno = parseLinkAddress(raw)
	}
	if errno == 0 {
		errno = p.transmit(data, to)
	}
	_ = s.listener.Answer(c, int64(size), errno)
}
