//go:build amd64 || arm64

package intercept

import (
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/nkconform/nkconform/intercept/notify"
	"github.com/nkconform/nkconform/intercept/sim"
)

// netlinkAddress is struct sockaddr_nl.
func netlinkAddress(port, groups uint32) []byte {
	p := native.AppendUint16(nil, unix.AF_NETLINK)
	p = native.AppendUint16(p, 0)
	p = native.AppendUint32(p, port)
	return native.AppendUint32(p, groups)
}

// writeAddress writes an address as bind(2)'s relatives do: as much as there is
// room for, and the full length.
func writeAddress(who *caller, address, length uint64, value []byte) unix.Errno {
	var room [4]byte
	if who.Read(length, room[:]) != nil {
		return unix.EFAULT
	}
	n := min(int(native.Uint32(room[:])), len(value))
	if n < 0 {
		return unix.EINVAL
	}
	if who.Write(sim.Segment{Address: address, Data: value[:n]},
		sim.Segment{Address: length, Data: native.AppendUint32(nil, uint32(len(value)))}) != nil {
		return unix.EFAULT
	}
	return 0
}

// bind answers bind(2) of a simulated socket.
func (s *supervisor) bind(c *notify.Call) {
	n := s.netlinkFD(c)
	if n == nil {
		_ = s.listener.Continue(c)
		return
	}
	var address [12]byte
	switch {
	case uint32(c.Args[2]) < uint32(len(address)):
		_ = s.listener.Answer(c, 0, unix.EINVAL)
		return
	case s.caller(c).Read(c.Args[1], address[:]) != nil:
		_ = s.listener.Answer(c, 0, unix.EFAULT)
		return
	}
	if port := native.Uint32(address[4:]); port != 0 {
		n.Port = port
	}
	n.groups = native.Uint32(address[8:])
	for group := uint32(1); group <= 32; group++ {
		switch wanted := n.groups>>(group-1)&1 != 0; {
		case wanted:
			n.join(group)
		case n.Joined(group):
			_ = n.setOption(unix.NETLINK_DROP_MEMBERSHIP, group)
		}
	}
	_ = s.listener.Answer(c, 0, 0)
}

func (n *netlinkSocket) join(group uint32) { _ = n.setOption(unix.NETLINK_ADD_MEMBERSHIP, group) }

// getsockname answers getsockname(2) of a simulated socket.
func (s *supervisor) getsockname(c *notify.Call) {
	n := s.netlinkFD(c)
	if n == nil {
		_ = s.listener.Continue(c)
		return
	}
	_ = s.listener.Answer(c, 0, writeAddress(s.caller(c), c.Args[1], c.Args[2], netlinkAddress(n.Port, n.groups)))
}

// connectNetlink answers connect(2) of a netlink socket, whose only partner is
// the kernel.
func (s *supervisor) connectNetlink(c *notify.Call) {
	if s.netlinkFD(c) == nil {
		_ = s.listener.Continue(c)
		return
	}
	_ = s.listener.Answer(c, 0, 0)
}

// setsockopt answers setsockopt(2) at the level of netlink.
func (s *supervisor) setsockopt(c *notify.Call) {
	if c.Args[1] == unix.SOL_SOCKET {
		s.socketOption(c)
		return
	}
	n := s.netlinkFD(c)
	if n == nil {
		_ = s.listener.Continue(c)
		return
	}
	var value [4]byte
	if uint32(c.Args[4]) < 4 || s.caller(c).Read(c.Args[3], value[:]) != nil {
		_ = s.listener.Answer(c, 0, unix.EINVAL)
		return
	}
	_ = s.listener.Answer(c, 0, n.setOption(int(int32(c.Args[2])), native.Uint32(value[:])))
}

// setOption sets an option of netlink, of the running kernel's socket too, which
// knows what can be set.
func (n *netlinkSocket) setOption(option int, v uint32) unix.Errno {
	if n.kernel >= 0 {
		if errno, bad := unix.SetsockoptInt(n.kernel, unix.SOL_NETLINK, option, int(v)).(unix.Errno); bad {
			return errno
		}
	}
	switch option {
	case unix.NETLINK_ADD_MEMBERSHIP:
		n.Join(v)
		if n.kernel >= 0 {
			n.s.files.readableKernel(&n.proxy)
		}
	case unix.NETLINK_DROP_MEMBERSHIP:
		n.Leave(v)
	case unix.NETLINK_PKTINFO:
		n.informs = v != 0
	case unix.NETLINK_CAP_ACK:
		n.Capped = v != 0
	case unix.NETLINK_EXT_ACK:
		n.Extended = v != 0
	}
	return 0
}

// getsockopt answers getsockopt(2) for what tells a netlink socket from the one that
// the program has in its place.
func (s *supervisor) getsockopt(c *notify.Call) {
	n := s.netlinkFD(c)
	level, option := int(int32(c.Args[1])), int(int32(c.Args[2]))
	known := map[int]uint32{unix.SO_TYPE: 0, unix.SO_DOMAIN: unix.AF_NETLINK, unix.SO_PROTOCOL: unix.NETLINK_ROUTE}
	v, ours := known[option]
	if n == nil || level == unix.SOL_SOCKET && !ours || level == unix.SOL_NETLINK && n.kernel < 0 {
		_ = s.listener.Continue(c)
		return
	}
	if level == unix.SOL_SOCKET && option == unix.SO_TYPE {
		v = n.typ
	}
	value := native.AppendUint32(nil, v)
	if level == unix.SOL_NETLINK {
		var errno unix.Errno
		if value, errno = optionOf(n.kernel, option); errno != 0 {
			_ = s.listener.Answer(c, 0, errno)
			return
		}
	}
	_ = s.listener.Answer(c, 0, writeAddress(s.caller(c), c.Args[3], c.Args[4], value))
}

// optionOf reads an option of netlink, which may be a list.
func optionOf(fd, option int) (value []byte, errno unix.Errno) {
	var buf [64]byte
	length := uint32(len(buf))
	_, _, errno = unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.SOL_NETLINK, uintptr(option),
		uintptr(unsafe.Pointer(&buf[0])), uintptr(unsafe.Pointer(&length)), 0)
	return buf[:min(length, uint32(len(buf)))], errno
}

// getpeername answers getpeername(2) of a netlink socket, whose partner is the kernel.
func (s *supervisor) getpeername(c *notify.Call) {
	if s.netlinkFD(c) == nil {
		_ = s.listener.Continue(c)
		return
	}
	_ = s.listener.Answer(c, 0, writeAddress(s.caller(c), c.Args[1], c.Args[2], netlinkAddress(0, 0)))
}
