//go:build amd64 || arm64

package intercept

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/nkconform/nkconform/intercept/machine"
	"github.com/nkconform/nkconform/intercept/notify"
	"github.com/nkconform/nkconform/mprog"
)

// firstPacketFD is the lowest number of a packet socket in the program, by which
// the filter knows what is sent through one. Netlink sockets that reach it only
// take longer.
const firstPacketFD = firstNetlinkFD + 64

// packetSocket is a packet socket (packet(7)) of the program: it sends and
// receives on simulated devices, and by a socket of the running kernel's on
// others.
type packetSocket struct {
	proxy
	netns    uint64
	raw      bool   // frames with the link layer's header
	protocol uint16 // the ethertype received, 0: none
	ifindex  uint32 // 0: of every device
}

// packetSocket answers socket(2) for packets.
func (s *supervisor) packetSocket(c *notify.Call) {
	kind := int(c.Args[1] & 0xf)
	if kind != unix.SOCK_RAW && kind != unix.SOCK_DGRAM {
		_ = s.listener.Continue(c)
		return
	}
	p := &packetSocket{
		netns: s.caller(c).Netns(), raw: kind == unix.SOCK_RAW, protocol: swapped(uint16(c.Args[2])),
		proxy: proxy{s: s, owner: c.TID, kernel: -1},
	}
	if err := p.connect(); err != nil {
		_ = s.listener.Answer(c, 0, errnoUnix(err))
		return
	}
	made, theirs, err := s.files.pair()
	if err != nil {
		p.disconnect()
		_ = s.listener.Answer(c, 0, unix.EMFILE)
		return
	}
	defer unix.Close(theirs)
	p.end, made.socket = made.end, p
	if p.protocol != 0 {
		s.files.readableKernel(&p.proxy)
	}
	if number, ok := s.place(c, made, theirs, firstPacketFD); ok {
		s.packets = append(s.packets, p)
		if s.log != nil {
			s.log.line(c, "socket(AF_PACKET)", strconv.Itoa(number))
		}
	}
}

// swapped turns a number of the network into one of this machine, or back.
func swapped(v uint16) uint16 { return binary.BigEndian.Uint16(native.AppendUint16(nil, v)) }

// connect opens a socket of the running kernel's.
func (p *packetSocket) connect() error {
	kind := unix.SOCK_DGRAM
	if p.raw {
		kind = unix.SOCK_RAW
	}
	return p.s.inNetns(p.owner, p.netns, func() (err error) {
		fd, err := unix.Socket(unix.AF_PACKET, kind|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, int(swapped(p.protocol)))
		if err == nil {
			p.kernel = fd
		}
		return err
	})
}

func (p *packetSocket) close() {
	p.s.packets = slices.DeleteFunc(p.s.packets, func(other *packetSocket) bool { return other == p })
	p.disconnect()
}

func (p *packetSocket) notified() {
	for _, data := range p.received() {
		p.send(data)
	}
}

// requests sends what was written without an address, of which nobody is told
// whether it went.
func (p *packetSocket) requests() {
	buf := p.s.buffer()
	for {
		n, err := unix.Read(p.end, buf)
		if err != nil || n <= 0 {
			return
		}
		_ = p.transmit(bytes.Clone(buf[:n]), p.ownAddress())
	}
}

// linkAddress is struct sockaddr_ll.
type linkAddress struct {
	protocol uint16
	ifindex  uint32
	hardware [6]byte
}

func (p *packetSocket) ownAddress() linkAddress {
	return linkAddress{protocol: p.protocol, ifindex: p.ifindex}
}

// address tells the little that is known of all packets alike.
func (p *packetSocket) address() []byte {
	a := native.AppendUint16(nil, unix.AF_PACKET)
	a = binary.BigEndian.AppendUint16(a, p.protocol)
	a = native.AppendUint32(a, p.ifindex)
	a = native.AppendUint16(a, unix.ARPHRD_ETHER)
	return append(a, unix.PACKET_HOST, 6, 0, 0, 0, 0, 0, 0, 0, 0)
}

func parseLinkAddress(p []byte) (a linkAddress, errno unix.Errno) {
	if len(p) < 12 || native.Uint16(p) != unix.AF_PACKET || len(p) < 12+int(p[11]) {
		return a, unix.EINVAL
	}
	a.protocol, a.ifindex = binary.BigEndian.Uint16(p[2:]), native.Uint32(p[4:])
	copy(a.hardware[:], p[12:12+min(int(p[11]), 6)])
	return a, 0
}

// bind answers bind(2).
func (p *packetSocket) bind(who *caller, address, size uint64) unix.Errno {
	raw := make([]byte, min(size, unix.SizeofSockaddrLinklayer))
	if who.Read(address, raw) != nil {
		return unix.EFAULT
	}
	if len(raw) < unix.SizeofSockaddrLinklayer || native.Uint16(raw) != unix.AF_PACKET {
		return unix.EINVAL
	}
	protocol, ifindex := binary.BigEndian.Uint16(raw[2:]), native.Uint32(raw[4:])
	if protocol == 0 {
		protocol = p.protocol
	}
	if p.s.rtnl.ByIndex(p.netns, ifindex) != nil {
		p.disconnect()
	} else {
		if p.kernel < 0 {
			if err := p.connect(); err != nil {
				return errnoUnix(err)
			}
		}
		if err := unix.Bind(p.kernel, &unix.SockaddrLinklayer{Protocol: swapped(protocol), Ifindex: int(int32(ifindex))}); err != nil {
			return errnoUnix(err)
		}
		p.s.files.readableKernel(&p.proxy)
	}
	p.protocol, p.ifindex = protocol, ifindex
	return 0
}

// transmit sends data on the device that an address names.
func (p *packetSocket) transmit(data []byte, to linkAddress) unix.Errno {
	d := p.s.rtnl.ByIndex(p.netns, to.ifindex)
	if d == nil {
		return p.transmitKernel(data, to)
	}
	frame := data
	if !p.raw {
		frame = slices.Concat(to.hardware[:], d.Address[:], binary.BigEndian.AppendUint16(nil, to.protocol), data)
	}
	switch {
	case len(frame) < linkHeader:
		return unix.EINVAL
	case len(frame) > linkHeader+int(d.MTU):
		return unix.EMSGSIZE
	}
	return p.s.transmit(d, frame)
}

// transmitKernel sends on a device of the running kernel's, past the hooks that
// it has here. What lo transmits arrives there.
func (p *packetSocket) transmitKernel(data []byte, to linkAddress) unix.Errno {
	if p.kernel < 0 {
		if err := p.connect(); err != nil {
			return errnoUnix(err)
		}
	}
	frame := data
	if !p.raw {
		frame = slices.Concat(to.hardware[:], make([]byte, 6), binary.BigEndian.AppendUint16(nil, to.protocol), data)
	}
	if len(frame) < linkHeader {
		return unix.EINVAL
	}
	packet := machine.NewPacket(frame, to.ifindex)
	pass := func(at mprog.AttachType) bool {
		made := p.s.sim.Pass(p.netns, to.ifindex, at, mprog.Forward, packet)
		if p.s.log != nil {
			p.s.log.packet(fmt.Sprintf("device %d", to.ifindex), at, &made)
		}
		return made.Passes
	}
	if !pass(mprog.TCXEgress) {
		return unix.ENOBUFS
	}
	if to.ifindex == loopbackIndex {
		packet.Arrived(to.ifindex, unix.PACKET_HOST)
		if !pass(mprog.TCXIngress) {
			return 0
		}
	}
	out := packet.Data
	if !p.raw {
		out = out[linkHeader:]
	}
	address := &unix.SockaddrLinklayer{Protocol: swapped(to.protocol), Ifindex: int(int32(to.ifindex)), Halen: 6}
	copy(address.Addr[:], to.hardware[:])
	if err := unix.Sendto(p.kernel, out, 0, address); err != nil {
		return errnoUnix(err)
	}
	return 0
}

// loopbackIndex is the ifindex of lo.
const loopbackIndex = 1
