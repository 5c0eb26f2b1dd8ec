//go:build amd64 || arm64

package intercept

import (
	"hash/maphash"
	"slices"

	"golang.org/x/sys/unix"
)

// maxAnnounced is how many datagrams for groups are remembered of a socket, of which not
// all may have been received by calls that are seen here: read(2) is not.
const maxAnnounced = 4096

var announcedSeed = maphash.MakeSeed()

// announced is a datagram on its way to the program that is for a group.
type announced struct {
	sum   uint64 // of its bytes
	group uint32
}

// note remembers the group of a datagram on its way to the program.
func (n *netlinkSocket) note(datagram []byte) {
	group := n.Group(datagram)
	if group == 0 {
		return
	}
	if len(n.announced) == maxAnnounced {
		n.announced = slices.Delete(n.announced, 0, maxAnnounced/2)
	}
	n.announced = append(n.announced, announced{maphash.Bytes(announcedSeed, datagram), group})
}

// groupOf returns the group of a datagram that the program receives, 0 if it is for the
// socket alone. It is then forgotten, unless it was only looked at.
func (n *netlinkSocket) groupOf(datagram []byte, flags int) uint32 {
	if len(n.announced) == 0 {
		return 0
	}
	sum := maphash.Bytes(announcedSeed, datagram)
	at := slices.IndexFunc(n.announced, func(a announced) bool { return a.sum == sum })
	if at < 0 {
		return 0
	}
	group := n.announced[at].group
	if flags&unix.MSG_PEEK == 0 {
		n.announced = slices.Delete(n.announced, 0, at+1) // what came before has been read
	}
	return group
}

// groupMask is a group in struct sockaddr_nl, which has room for the first 32.
func groupMask(group uint32) uint32 {
	if group == 0 || group > 32 {
		return 0
	}
	return 1 << (group - 1)
}

const packetInfoLength = unix.SizeofCmsghdr + 4 // what fills it up not counted

// packetInfo is the control message that NETLINK_PKTINFO asks for, struct nl_pktinfo.
func packetInfo(group uint32) []byte {
	p := native.AppendUint64(nil, packetInfoLength)
	p = native.AppendUint32(p, unix.SOL_NETLINK)
	p = native.AppendUint32(p, unix.NETLINK_PKTINFO)
	p = native.AppendUint32(p, group)
	return append(p, 0, 0, 0, 0)
}
