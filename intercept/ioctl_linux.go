//go:build amd64 || arm64

package intercept

import (
	"bytes"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/nkconform/nkconform/intercept/notify"
	"github.com/nkconform/nkconform/intercept/rtnl"
	"github.com/nkconform/nkconform/intercept/sim"
)

// deviceIoctls are those of netdevice(7) that if_nametoindex(3),
// if_indextoname(3) and ifconfig use.
var deviceIoctls = []uint32{
	unix.SIOCGIFNAME, unix.SIOCGIFINDEX, unix.SIOCGIFFLAGS, unix.SIOCSIFFLAGS, unix.SIOCGIFMTU, unix.SIOCGIFHWADDR,
}

// Where struct ifreq has its parts.
const (
	ifreqSize = 40
	ifreqName = 16
)

// ioctl answers for simulated devices.
func (s *supervisor) ioctl(c *notify.Call) {
	who := s.caller(c)
	var request [ifreqSize]byte
	if who.Read(c.Args[2], request[:]) != nil {
		_ = s.listener.Continue(c)
		return
	}
	netns := who.Netns()
	if n, _ := s.socketFD(c).(*netlinkSocket); n != nil {
		netns = n.Netns // a socket's answers are those of where it was made
	}
	name, _, _ := bytes.Cut(request[:ifreqName], []byte{0})
	var d *rtnl.Device
	if uint32(c.Args[1]) == unix.SIOCGIFNAME {
		d = s.rtnl.ByIndex(netns, native.Uint32(request[ifreqName:]))
	} else {
		d = s.rtnl.ByName(netns, string(name))
	}
	if d == nil {
		s.kernelIoctl(c, who, &request)
		return
	}
	value := request[ifreqName:]
	switch uint32(c.Args[1]) {
	case unix.SIOCGIFNAME:
		clear(request[:ifreqName])
		copy(request[:ifreqName-1], d.Name)
	case unix.SIOCGIFINDEX:
		native.PutUint32(value, d.Index)
	case unix.SIOCGIFFLAGS:
		native.PutUint16(value, uint16(d.Flags))
	case unix.SIOCSIFFLAGS:
		s.rtnl.SetFlags(d, uint32(native.Uint16(value)))
	case unix.SIOCGIFMTU:
		native.PutUint32(value, d.MTU)
	case unix.SIOCGIFHWADDR:
		native.PutUint16(value, unix.ARPHRD_ETHER)
		copy(value[2:], d.Address[:])
	}
	errno := unix.Errno(0)
	if who.Write(sim.Segment{Address: c.Args[2], Data: request[:]}) != nil {
		errno = unix.EFAULT
	}
	_ = s.listener.Answer(c, 0, errno)
}

// kernelIoctl has the running kernel answer. What the program has in place of a
// netlink socket is of the supervisor's network namespace, so the socket behind
// it is asked.
func (s *supervisor) kernelIoctl(c *notify.Call, who *caller, request *[ifreqSize]byte) {
	n, _ := s.socketFD(c).(*netlinkSocket)
	if n == nil || n.kernel < 0 {
		_ = s.listener.Continue(c)
		return
	}
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(n.kernel), uintptr(uint32(c.Args[1])), uintptr(unsafe.Pointer(request)))
	if errno == 0 && who.Write(sim.Segment{Address: c.Args[2], Data: request[:]}) != nil {
		errno = unix.EFAULT
	}
	_ = s.listener.Answer(c, 0, errno)
}
