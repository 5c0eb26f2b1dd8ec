package machine

import (
	"fmt"
	"math"
)

// Flags of bpf_skb_adjust_room (BPF_F_ADJ_ROOM_*).
const (
	roomFixedGSO  = 1 << 0
	roomEncapIPv4 = 1 << 1
	roomEncapIPv6 = 1 << 2
	roomEncapGRE  = 1 << 3
	roomEncapUDP  = 1 << 4
	roomKeepSum   = 1 << 5
	roomEncapL2   = 1 << 6
	roomDecapIPv4 = 1 << 7
	roomDecapIPv6 = 1 << 8
	roomLater     = 0xf << 9   // of a tunnel that goes (BPF_F_ADJ_ROOM_DECAP_L4_UDP and so on)
	roomLength    = 0xff << 56 // of the link layer's header within

	roomEncap = roomEncapIPv4 | roomEncapIPv6
	roomDecap = roomDecapIPv4 | roomDecapIPv6
	roomKnown = roomFixedGSO | roomEncap | roomEncapGRE | roomEncapUDP | roomKeepSum | roomEncapL2 | roomDecap | roomLength

	maxRoom = 0xfff
)

// errGarbage is no errno: a kernel makes the packet longer with what lies behind
// it in memory.
const errGarbage = -1

// adjustRoom is bpf_skb_adjust_room: room behind the link layer's header or the
// network layer's.
func (m *run) adjustRoom() (uint64, error) {
	p, n, mode, flags := m.packet, int64(int32(m.r[2])), uint32(m.r[3]), m.r[4]
	if flags&roomLater != 0 && flags&^uint64(roomKnown|roomLater) == 0 && m.world.Facts().MoreRoom {
		return 0, fmt.Errorf("flags %#x: %w", flags&roomLater, ErrUnknown)
	}
	errno := p.adjustRoom(n, mode, flags)
	if errno == errGarbage {
		return 0, fmt.Errorf("room behind a header that is not there: %w", ErrUnknown)
	}
	if errno == 0 && flags&roomKeepSum == 0 {
		p.skb.checksum.reset()
	}
	m.moved()
	return failed(errno), nil
}

func (p *Packet) adjustRoom(n int64, mode uint32, flags uint64) (errno int) {
	base := int64(0) // length of the network layer's header
	switch p.Protocol() {
	case ethIP:
		base = ipv4Header
	case ethIPv6:
		base = ipv6Header
	}
	switch {
	case flags&^uint64(roomKnown) != 0:
		return invalid
	case n > maxRoom, n < -maxRoom:
		return fault
	case base == 0:
		return notSupported
	}
	at := int64(p.Network)
	switch mode {
	case 0: // BPF_ADJ_ROOM_NET
		at += base
	case 1: // BPF_ADJ_ROOM_MAC
	default:
		return notSupported
	}
	least := base
	switch flags & roomDecap {
	case 0:
	case roomDecapIPv4:
		least = ipv4Header
	case roomDecapIPv6:
		least = ipv6Header
	default:
		least = math.MaxInt64
	}
	if flags&roomDecap != 0 && (n >= 0 || least == math.MaxInt64) {
		return invalid
	}
	length := int64(len(p.Data)) - int64(p.Network)
	if n < 0 {
		if -n >= length || length+n < least {
			return notSupported
		}
		return p.shrink(int(at), int(-n), flags)
	}
	if int64(len(p.Data))+n > maxSKB && p.gso() == 0 {
		return notSupported
	}
	return p.grow(int(at), int(n), flags)
}

func (p *Packet) grow(at, n int, flags uint64) (errno int) {
	inner := int(flags >> 56)
	has := func(both uint64) bool { return flags&both == both }
	switch {
	case p.gso() != 0 && !p.skb.tcp:
		return notSupported
	case flags&roomEncap == 0:
	case has(roomEncap), has(roomEncapGRE | roomEncapUDP), has(roomEncapL2) && inner < ethernetHeader:
		return invalid
	case p.skb.encapsulated:
		return already
	case inner > n:
		return invalid
	}
	if at > len(p.Data) {
		return errGarbage
	}
	p.insert(at, n)
	p.moveTransport(n)
	p.resegment(-n, flags)
	if flags&roomEncap == 0 {
		return 0
	}
	p.skb.encapsulated = true
	outer := ipv4Header
	p.setProtocol(ethIP)
	if flags&roomEncapIPv6 != 0 {
		outer = ipv6Header
		p.setProtocol(ethIPv6)
	}
	if flags&(roomEncapGRE|roomEncapUDP) != 0 {
		p.Transport = p.Network + outer
	}
	return 0
}

func (p *Packet) shrink(at, n int, flags uint64) (errno int) {
	switch {
	case flags&^(roomFixedGSO|roomDecap|roomKeepSum) != 0:
		return invalid
	case p.gso() != 0 && !p.skb.tcp:
		return notSupported
	case at+n > len(p.Data):
		return noMemory
	}
	p.remove(at, n)
	p.moveTransport(-n)
	p.resegment(n, flags)
	switch flags & roomDecap {
	case roomDecapIPv4:
		p.setProtocol(ethIP)
	case roomDecapIPv6:
		p.setProtocol(ethIPv6)
	}
	return 0
}

// resegment has pieces with so many bytes more of payload each, as their headers have so
// many less, unless they are to stay as long as they are; how many there are is no longer
// known.
func (p *Packet) resegment(more int, flags uint64) {
	if p.gso() == 0 {
		return
	}
	p.set(skbGSOSegs, 0)
	if flags&roomFixedGSO == 0 {
		p.set(skbGSOSize, uint32(uint16(int(p.gso())+more)))
	}
}
