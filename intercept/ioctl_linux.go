//go:build amd64 || arm64

package intercept

import (
	"bytes"
	"slices"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/nkconform/nkconform/intercept/notify"
	"github.com/nkconform/nkconform/intercept/rtnl"
	"github.com/nkconform/nkconform/intercept/sim"
	"github.com/nkconform/nkconform/mprog"
)

// deviceIoctls are those of netdevice(7) that if_nametoindex(3),
// if_indextoname(3), ifconfig and ethtool use.
var deviceIoctls = []uint32{
	unix.SIOCGIFNAME, unix.SIOCGIFINDEX, unix.SIOCGIFFLAGS, unix.SIOCSIFFLAGS, unix.SIOCGIFMTU, unix.SIOCGIFHWADDR,
	unix.SIOCSIFHWADDR, unix.SIOCETHTOOL,
}

// Where struct ifreq has its parts.
const (
	ifreqSize = 40
	ifreqName = 16
)

// deviceIoctl is a request about a device.
type deviceIoctl struct {
	call    *notify.Call
	who     *caller
	number  uint32
	request [ifreqSize]byte
}

// value is the part that is not a name.
func (i *deviceIoctl) value() []byte { return i.request[ifreqName:] }

// ioctl answers for netkit devices.
func (s *supervisor) ioctl(c *notify.Call) {
	if slices.Contains(perfIoctls, uint32(c.Args[1])) {
		s.perfIoctl(c)
		return
	}
	i := &deviceIoctl{call: c, who: s.caller(c), number: uint32(c.Args[1])}
	if i.who.Read(c.Args[2], i.request[:]) != nil {
		_ = s.listener.Continue(c)
		return
	}
	netns := i.who.Netns()
	n := s.netlinkFD(c)
	if n != nil {
		netns = n.Netns // a socket's answers are those of where it was made
	}
	name, _, _ := bytes.Cut(i.request[:ifreqName], []byte{0})
	d := s.rtnl.ByName(netns, string(name))
	if i.number == unix.SIOCGIFNAME {
		d = s.rtnl.ByIndex(netns, native.Uint32(i.value()))
	}
	switch {
	case d == nil && (n == nil || n.kernel < 0):
		_ = s.listener.Continue(c)
	case d == nil:
		s.finishIoctl(i, i.perform(n.kernel))
	case d.Wired():
		s.wiredIoctl(i, d, n)
	default:
		s.finishIoctl(i, s.simulatedIoctl(i, d))
	}
}

// wiredIoctl answers for a netkit device for which one of the running kernel's
// stands.
func (s *supervisor) wiredIoctl(i *deviceIoctl, d *rtnl.Device, n *netlinkSocket) {
	change := i.number == unix.SIOCSIFFLAGS
	if i.number == unix.SIOCSIFHWADDR && d.Layer3() {
		s.finishIoctl(i, unix.EOPNOTSUPP)
		return
	}
	if i.number == unix.SIOCETHTOOL {
		if errno, ours := i.ethtool(); ours {
			s.finishIoctl(i, errno)
			return
		}
	}
	if change && !i.who.capableThere(mprog.CapNetAdmin) {
		s.finishIoctl(i, unix.EPERM)
		return
	}
	if n == nil && !change && (i.number != unix.SIOCGIFHWADDR || !d.Layer3()) {
		_ = s.listener.Continue(i.call)
		return
	}
	fd := -1
	if n != nil {
		// What the program has in place of a netlink socket is of the supervisor's
		// network namespace.
		fd = n.kernel
	} else {
		var err error
		if fd, err = s.borrow(i.call.TID, uint32(i.call.Args[0])); err != nil {
			s.finishIoctl(i, unix.EBADF)
			return
		}
		defer unix.Close(fd)
	}
	if change && native.Uint16(i.value())&unix.IFF_UP != 0 {
		s.wires.Raise(d)
	}
	errno := i.perform(fd)
	if change {
		s.wires.review()
	}
	if i.number == unix.SIOCGIFHWADDR && d.Layer3() {
		clear(i.value()[2:8])
	}
	s.finishIoctl(i, errno)
}

// perform has the running kernel answer.
func (i *deviceIoctl) perform(fd int) unix.Errno {
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), uintptr(i.number), uintptr(unsafe.Pointer(&i.request)))
	return errno
}

// finishIoctl answers the caller.
func (s *supervisor) finishIoctl(i *deviceIoctl, errno unix.Errno) {
	if errno == 0 && i.who.Write(sim.Segment{Address: i.call.Args[2], Data: i.request[:]}) != nil {
		errno = unix.EFAULT
	}
	_ = s.listener.Answer(i.call, 0, errno)
}

// simulatedIoctl answers for a device that the running kernel does not have.
func (s *supervisor) simulatedIoctl(i *deviceIoctl, d *rtnl.Device) unix.Errno {
	switch i.number {
	case unix.SIOCGIFNAME:
		clear(i.request[:ifreqName])
		copy(i.request[:ifreqName-1], d.Name)
	case unix.SIOCGIFINDEX:
		native.PutUint32(i.value(), d.Index)
	case unix.SIOCGIFFLAGS:
		native.PutUint16(i.value(), uint16(d.Flags))
	case unix.SIOCSIFFLAGS:
		s.rtnl.SetFlags(d, uint32(native.Uint16(i.value())))
	case unix.SIOCGIFMTU:
		native.PutUint32(i.value(), d.MTU())
	case unix.SIOCGIFHWADDR:
		address := d.Address()
		native.PutUint16(i.value(), unix.ARPHRD_ETHER)
		copy(i.value()[2:], address[:])
	default:
		return unix.EOPNOTSUPP
	}
	return 0
}
