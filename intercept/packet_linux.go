//go:build amd64 || arm64

package intercept

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/nkconform/nkconform/intercept/machine"
	"github.com/nkconform/nkconform/intercept/notify"
	"github.com/nkconform/nkconform/mprog"
)

// Packet sockets (packet(7)) are the running kernel's. What is sent through one is
// sent in the caller's place, so that the hooks of lo see it, and so that the sender
// is told when a program drops it, which a TAP device cannot tell.

// firstPacketFD is the lowest number of a packet socket in the program, by which
// the filter knows what is sent through one. Netlink sockets that reach it only
// take longer.
const firstPacketFD = firstNetlinkFD + 64

// capNetRaw is CAP_NET_RAW.
const capNetRaw mprog.Capability = 13

// packetSocket answers socket(2) for packets.
func (s *supervisor) packetSocket(c *notify.Call) {
	who := s.caller(c)
	if !who.capableThere(capNetRaw) {
		_ = s.listener.Continue(c)
		return
	}
	fd := -1
	err := s.inNetns(c.TID, who.Netns(), func() (err error) {
		fd, err = unix.Socket(unix.AF_PACKET, int(c.Args[1])|unix.SOCK_CLOEXEC, int(c.Args[2]))
		return err
	})
	if err != nil {
		_ = s.listener.Answer(c, 0, errnoUnix(err))
		return
	}
	defer unix.Close(fd)
	number, err := s.putFrom(c, fd, firstPacketFD)
	if err != nil {
		_ = s.listener.Answer(c, 0, unix.EMFILE)
		return
	}
	if s.log != nil {
		s.log.line(c, "socket(AF_PACKET)", strconv.Itoa(number))
	}
}

// swapped turns a number of the network into one of this machine, or back.
func swapped(v uint16) uint16 { return binary.BigEndian.Uint16(native.AppendUint16(nil, v)) }

// packet is what is to be sent through a socket.
type packet struct {
	sender
	data    []byte
	address []byte // or nil
	flags   int
	tid     uint32 // of who sends it
}

// sendPacket sends a packet in the caller's place.
func (s *supervisor) sendPacket(p *packet) unix.Errno {
	to, errno := p.destination()
	if errno != 0 {
		return errno
	}
	netns, err := socketNetns(p.fd)
	if err != nil {
		return errnoUnix(err)
	}
	e := s.wires.ends[s.rtnl.ByIndex(netns, to.ifindex)]
	if ends := s.wires.tethers[tetherKey{netns, to.ifindex}]; len(ends) > 0 {
		e = ends[0]
	}
	if e != nil {
		dropped, errno := s.wires.pump.send(netns, p.tags(), p.send)
		if errno == 0 && dropped == e {
			errno = unix.ENOBUFS
		}
		return errno
	}
	if errno := s.passHooks(netns, to, p); errno != 0 {
		return errno
	}
	return p.send()
}

// send has the running kernel send. It does not wait for room: EAGAIN.
func (p *packet) send() unix.Errno {
	var data, address unsafe.Pointer
	if len(p.data) > 0 {
		data = unsafe.Pointer(&p.data[0])
	}
	if len(p.address) > 0 {
		address = unsafe.Pointer(&p.address[0])
	}
	_, _, errno := unix.Syscall6(unix.SYS_SENDTO, uintptr(p.fd), uintptr(data), uintptr(len(p.data)),
		uintptr(p.flags|unix.MSG_DONTWAIT), uintptr(address), uintptr(len(p.address)))
	return errno
}

// linkAddress is struct sockaddr_ll.
type linkAddress struct {
	protocol uint16
	ifindex  uint32
	hardware [6]byte
}

// destination is where the packet goes: an address, or where the socket is bound.
func (p *packet) destination() (a linkAddress, errno unix.Errno) {
	if p.address == nil {
		bound, err := unix.Getsockname(p.fd)
		if err != nil {
			return a, errnoUnix(err)
		}
		if b, ok := bound.(*unix.SockaddrLinklayer); ok {
			a.protocol, a.ifindex = swapped(b.Protocol), uint32(b.Ifindex)
		}
		return a, 0
	}
	if len(p.address) < 12 || native.Uint16(p.address) != unix.AF_PACKET {
		return a, 0 // let the kernel say what is wrong
	}
	a.protocol, a.ifindex = binary.BigEndian.Uint16(p.address[2:]), native.Uint32(p.address[4:])
	copy(a.hardware[:], p.address[12:])
	return a, 0
}

// passHooks has a packet pass the tcx hooks of a device of the running kernel's.
// What lo transmits arrives there.
func (s *supervisor) passHooks(netns uint64, to linkAddress, p *packet) unix.Errno {
	frame := p.data
	if p.kind != unix.SOCK_RAW {
		frame = slices.Concat(to.hardware[:], make([]byte, 6), binary.BigEndian.AppendUint16(nil, to.protocol), p.data)
	}
	if len(frame) < linkHeader {
		return 0 // the kernel refuses it
	}
	seen := machine.NewPacket(slices.Clone(frame), to.ifindex)
	pass := func(at mprog.AttachType) bool {
		made := s.at(netns).Pass(netns, to.ifindex, at, mprog.Forward, seen)
		if s.log != nil {
			s.log.packet(fmt.Sprintf("device %d", to.ifindex), at, &made)
		}
		return made.Passes
	}
	if !pass(mprog.TCXEgress) {
		return unix.ENOBUFS
	}
	if to.ifindex == loopbackIndex {
		seen.Arrived(to.ifindex, unix.PACKET_HOST)
		if !pass(mprog.TCXIngress) {
			p.data = nil
			return errDropped
		}
	}
	if p.data = seen.Data; p.kind != unix.SOCK_RAW {
		p.data = seen.Data[linkHeader:]
	}
	return 0
}

// loopbackIndex is the ifindex of lo.
const loopbackIndex = 1

// errDropped says that a packet was dropped without its sender being told.
const errDropped = ^unix.Errno(0)

// socketNetns is the inode of a socket's network namespace.
func socketNetns(socket int) (uint64, error) {
	fd, err := openSocketNetns(socket)
	if err != nil {
		return 0, err
	}
	defer unix.Close(fd)
	return inodeOf(fd)
}

// openSocketNetns opens a socket's network namespace.
func openSocketNetns(socket int) (fd int, err error) {
	r, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(socket), unix.SIOCGSKNS, 0)
	if errno != 0 {
		return -1, errno
	}
	return int(r), nil
}
