//go:build amd64 || arm64

package intercept

import (
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
		if n.groups>>(group-1)&1 != 0 {
			n.join(group)
		}
	}
	_ = s.listener.Answer(c, 0, 0)
}

func (n *netlinkSocket) join(group uint32) {
	n.Join(group)
	if n.kernel >= 0 {
		_ = unix.SetsockoptInt(n.kernel, unix.SOL_NETLINK, unix.NETLINK_ADD_MEMBERSHIP, int(group))
		n.s.files.readableKernel(&n.proxy)
	}
}

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
	v := native.Uint32(value[:])
	switch option := int(int32(c.Args[2])); option {
	case unix.NETLINK_ADD_MEMBERSHIP:
		n.join(v)
	case unix.NETLINK_DROP_MEMBERSHIP:
		n.Leave(v)
		if n.kernel >= 0 {
			_ = unix.SetsockoptInt(n.kernel, unix.SOL_NETLINK, option, int(v))
		}
	default:
		n.Capped = n.Capped || option == unix.NETLINK_CAP_ACK && v != 0
		if option == unix.NETLINK_EXT_ACK {
			n.Extended = v != 0
		}
		if n.kernel >= 0 {
			_ = unix.SetsockoptInt(n.kernel, unix.SOL_NETLINK, option, int(v))
		}
	}
	_ = s.listener.Answer(c, 0, 0)
}
