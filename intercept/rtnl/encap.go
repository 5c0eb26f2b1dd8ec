package rtnl

// Routes and next hops may have programs (LWTUNNEL_ENCAP_BPF, and End.BPF of segment
// routing). They are not simulated, and their fds are not the running kernel's.

// Types of messages and attributes (include/uapi/linux/rtnetlink.h, nexthop.h,
// lwtunnel.h, seg6_local.h).
const (
	newNexthop = 104

	nexthopSize   = 8  // sizeof(struct nhmsg)
	routeKind     = 21 // RTA_ENCAP_TYPE
	nexthopKind   = 7  // NHA_ENCAP_TYPE
	nexthopEncap  = 8  // NHA_ENCAP
	encapBPF      = 6  // LWTUNNEL_ENCAP_BPF
	encapSegment  = 7  // LWTUNNEL_ENCAP_SEG6_LOCAL
	segmentBPF    = 9  // SEG6_LOCAL_BPF
	multipathSize = 8  // sizeof(struct rtnexthop)
)

// encap refuses a route or a next hop that has a program, and reports whether it did.
func (s *Server) encap(k *Socket, m message) bool {
	has := false
	switch {
	case m.typ == newRoute && len(m.body) >= routeSize:
		has = programInRoute(m.body[routeSize:])
	case m.typ == newNexthop && len(m.body) >= nexthopSize:
		attrs, _ := parseAttributes(m.body[nexthopSize:])
		has = programIn(attrs, nexthopKind, nexthopEncap)
	}
	if has {
		s.acknowledge(k, m, s.refuse("programs of BPF in routes and next hops are not simulated"))
	}
	return has
}

func programIn(attrs attributes, kind, encap uint16) bool {
	p := attrs[kind]
	if len(p) < 2 {
		return false
	}
	switch native.Uint16(p) {
	case encapBPF:
		return true
	case encapSegment:
		_, has := attrs.nested(encap)[segmentBPF]
		return has
	}
	return false
}

func programInRoute(p []byte) bool {
	attrs, _ := parseAttributes(p)
	hops := attrs[routeSeveral]
	for len(hops) >= multipathSize {
		n := int(native.Uint16(hops))
		if n < multipathSize || n > len(hops) {
			break
		}
		if hop, _ := parseAttributes(hops[multipathSize:n]); programIn(hop, routeKind, routeEncap) {
			return true
		}
		hops = hops[min(align(n), len(hops)):]
	}
	return programIn(attrs, routeKind, routeEncap)
}
