package machine

import (
	"fmt"
	"net/netip"
)

// RouteQuestion is what bpf_fib_lookup asks.
type RouteQuestion struct {
	From    netip.Addr
	To      netip.Addr
	Ifindex uint32 // of the device at which the packet is, or by which it is to go
	Output  bool
	Mark    uint32
	TOS     uint8
	Direct  bool   // in one table, and not in those that rules choose
	Table   uint32 // which, 0: the main one
	Source  bool   // the address that the packet is to come from is asked for
	SkipMAC bool   // addresses of the link layer are not
	// Of several next hops, one is chosen by these, too.
	Protocol         uint8
	FromPort, ToPort uint16
	FlowLabel        uint32 // as in the header of IPv6
}

// Route is what a namespace answers.
type Route struct {
	Result   int  // BPF_FIB_LKUP_RET_*, or an errno below 0
	Looked   bool // in the table that was asked for
	Ifindex  uint32
	Gateway  netip.Addr // not valid: the neighbour is whom the packet is for
	Source   netip.Addr
	Priority uint32
	MTU      uint32 // of the route
	Own, Hop [6]byte
}

// Answers of bpf_fib_lookup.
const (
	RouteFound       = 0 // BPF_FIB_LKUP_RET_SUCCESS
	RouteBlackhole   = 1 // BPF_FIB_LKUP_RET_BLACKHOLE
	RouteUnreachable = 2 // BPF_FIB_LKUP_RET_UNREACHABLE
	RouteProhibited  = 3 // BPF_FIB_LKUP_RET_PROHIBIT
	RouteNone        = 4 // BPF_FIB_LKUP_RET_NOT_FWDED
	RouteDisabled    = 5 // BPF_FIB_LKUP_RET_FWD_DISABLED
	RouteTunnel      = 6 // BPF_FIB_LKUP_RET_UNSUPP_LWT
	RouteNoNeighbour = 7 // BPF_FIB_LKUP_RET_NO_NEIGH
	RouteTooLong     = 8 // BPF_FIB_LKUP_RET_FRAG_NEEDED
	RouteNoDevice    = -noDevice
)

// Where struct bpf_fib_lookup has its fields.
const (
	fibFamily   = 0
	fibProtocol = 1 // l4_protocol
	fibFromPort = 2 // sport, in the network's order of bytes, as dport behind it
	fibLength   = 6 // tot_len, and mtu_result
	fibIfindex  = 8
	fibTOS      = 12 // and flowinfo, and rt_metric
	fibFrom     = 16
	fibTo       = 32
	fibVLAN     = 48 // of both parts, and tbid
	fibMark     = 52
	fibOwn      = 52 // smac
	fibHop      = 58 // dmac
	fibSize     = 64
	fibVLANSize = 4
)

// Flags of bpf_fib_lookup (BPF_FIB_LOOKUP_*).
const (
	fibDirect  = 1 << 0
	fibOutput  = 1 << 1
	fibSkipMAC = 1 << 2
	fibTable   = 1 << 3
	fibSource  = 1 << 4
	fibUseMark = 1 << 5
	fibKnown   = fibDirect | fibOutput | fibSkipMAC | fibTable | fibSource | fibUseMark
)

// lookUpRoute is bpf_fib_lookup.
func (m *run) lookUpRoute() (uint64, error) {
	size, flags := uint32(m.r[3]), uint32(m.r[4])
	p, err := m.bytes(m.r[2], int(size))
	if err != nil {
		return 0, err
	}
	switch known, later := uint32(fibKnown), m.world.Facts().MoreFIB; {
	case flags&later != 0 && flags&^(known|later) == 0:
		return 0, fmt.Errorf("flags %#x: %w", flags&later, ErrUnknown)
	case size < fibSize, flags&^known != 0:
		return failed(invalid), nil
	case p[fibFamily] != familyIPv4 && p[fibFamily] != familyIPv6:
		return failed(noFamily), nil
	case m.packet.Outside == nil:
		return 0, ErrUnknown
	}
	q := RouteQuestion{
		From: fibAddress(p, fibFrom), To: fibAddress(p, fibTo), Ifindex: native.Uint32(p[fibIfindex:]), Output: flags&fibOutput != 0,
		Source: flags&fibSource != 0, SkipMAC: flags&fibSkipMAC != 0, Direct: flags&fibDirect != 0,
	}
	if q.Direct && flags&fibTable != 0 {
		q.Table = native.Uint32(p[fibVLAN:])
	}
	q.Protocol, q.FromPort, q.ToPort = p[fibProtocol], big16(p[fibFromPort:]), big16(p[fibFromPort+2:])
	if p[fibFamily] == familyIPv4 {
		q.TOS = p[fibTOS]
	} else {
		q.FlowLabel = uint32(p[fibTOS+1]&0xf)<<16 | uint32(big16(p[fibTOS+2:]))
	}
	if flags&fibUseMark != 0 {
		q.Mark = native.Uint32(p[fibMark:])
	}
	r, err := m.packet.Outside.Route(q)
	if err != nil {
		return 0, err
	}
	if r.Looked && flags&fibTable != 0 {
		clear(p[fibVLAN : fibVLAN+fibVLANSize])
	}
	return uint64(int64(m.answerRoute(p, r, flags))), nil
}

func fibAddress(p []byte, at int) netip.Addr {
	if p[fibFamily] == familyIPv4 {
		return netip.AddrFrom4([4]byte(p[at:]))
	}
	return netip.AddrFrom16([16]byte(p[at:]))
}

// answerRoute writes the answer as far as a kernel has got to it, and returns the
// result.
func (m *run) answerRoute(p []byte, r Route, flags uint32) int {
	length := uint32(native.Uint16(p[fibLength:]))
	wantsLength := length != 0 || m.program.kind == XDP
	switch {
	case r.Result != RouteFound && r.Result != RouteNoNeighbour && r.Result != RouteTunnel:
		return r.Result
	case wantsLength && length > r.MTU:
		native.PutUint16(p[fibLength:], uint16(r.MTU))
		return RouteTooLong
	case r.Result == RouteTunnel:
		return r.Result
	}
	native.PutUint32(p[fibTOS:], r.Priority)
	native.PutUint32(p[fibIfindex:], r.Ifindex)
	if flags&fibSource != 0 {
		copy(p[fibFrom:], r.Source.AsSlice())
	}
	if r.Gateway.IsValid() {
		p[fibFamily] = familyIPv4
		if r.Gateway.Is6() {
			p[fibFamily] = familyIPv6
		}
		copy(p[fibTo:], r.Gateway.AsSlice())
	}
	if r.Result == RouteNoNeighbour {
		return r.Result
	}
	if flags&fibSkipMAC == 0 {
		copy(p[fibOwn:], r.Own[:])
		copy(p[fibHop:], r.Hop[:])
	}
	clear(p[fibVLAN : fibVLAN+fibVLANSize])
	if wantsLength {
		native.PutUint16(p[fibLength:], uint16(r.MTU))
		return RouteFound
	}
	d, ok := m.packet.Outside.Device(r.Ifindex)
	if !ok {
		return RouteNoDevice
	}
	native.PutUint16(p[fibLength:], uint16(d.MTU))
	if !d.Up || m.packet.gso() == 0 && uint32(len(m.packet.Data)) > d.MTU+d.Header+vlanHeader {
		return RouteTooLong
	}
	return RouteFound
}
