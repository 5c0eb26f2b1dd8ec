package rtnl

import "net/netip"

// RouteQuestion is where a packet to an address would go.
type RouteQuestion struct {
	To     netip.Addr
	Out    uint32 // the device by which it is to go, 0: any
	Mark   uint32
	TOS    uint8
	Source bool // the packet's source is asked for, and how it goes, not the entry of the table
	// What the choice between next hops depends on, where that is asked for.
	From             netip.Addr // not valid: this host's own
	In               uint32     // the device at which it arrives, 0: it is this host's own
	Protocol         uint8      // 0: not said, nor are the ports
	FromPort, ToPort uint16
}

// Route is an entry of a routing table, or what follows from one.
type Route struct {
	Type     uint8 // RTN_UNICAST and so on
	Out      uint32
	Gateway  netip.Addr // not valid: none
	Source   netip.Addr
	Priority uint32
	MTU      uint32  // that holds for what is forwarded, too; 0: the device's
	Hops     []Route // of several next hops, what they have of their own
	To       netip.Prefix
	Table    uint32
	TOS      uint8
	Dead     bool // its device is down
	Tunnel   bool // with an encapsulation (LWT)
}

// Types of messages about routes and neighbours, and what is in them
// (include/uapi/linux/rtnetlink.h, neighbour.h).
const (
	newRoute     = 24
	getRoute     = 26
	newNeighbour = 28
	getNeighbour = 30

	routeSize     = 12 // sizeof(struct rtmsg)
	neighbourSize = 12 // sizeof(struct ndmsg)

	routeFIBMatch = 0x2000 // RTM_F_FIB_MATCH

	routeTo       = 1  // RTA_DST
	routeOut      = 4  // RTA_OIF
	routeGateway  = 5  // RTA_GATEWAY
	routePriority = 6  // RTA_PRIORITY
	routeSource   = 7  // RTA_PREFSRC
	routeMetrics  = 8  // RTA_METRICS
	routeSeveral  = 9  // RTA_MULTIPATH
	routeTable    = 15 // RTA_TABLE
	routeMark     = 16 // RTA_MARK
	hopDead       = 1  // RTNH_F_DEAD
	routeVia      = 18 // RTA_VIA
	routeEncap    = 22 // RTA_ENCAP
	routeFrom     = 2  // RTA_SRC
	routeIn       = 3  // RTA_IIF
	routeProtocol = 27 // RTA_IP_PROTO
	routeFromPort = 28 // RTA_SPORT
	routeToPort   = 29 // RTA_DPORT
	hopSize       = 8  // sizeof(struct rtnexthop)
	metricLock    = 1  // RTAX_LOCK
	metricMTU     = 2  // RTAX_MTU

	neighbourTo   = 1 // NDA_DST
	neighbourLink = 2 // NDA_LLADDR
)

// Families of addresses.
const (
	familyIPv4 = 2
	familyIPv6 = 10
)

func family(a netip.Addr) byte {
	if a.Is4() {
		return familyIPv4
	}
	return familyIPv6
}

// Route asks for a route.
func (a Ask) Route(q RouteQuestion) []byte {
	body := make([]byte, routeSize)
	body[0], body[1], body[3] = family(q.To), byte(q.To.BitLen()), q.TOS
	if !q.Source {
		native.PutUint32(body[8:], routeFIBMatch)
	}
	body = appendAttribute(body, routeTo, q.To.AsSlice())
	if q.Out != 0 {
		body = appendU32(body, routeOut, q.Out)
	}
	if q.Mark != 0 {
		body = appendU32(body, routeMark, q.Mark)
	}
	if q.From.IsValid() {
		body[2] = byte(q.From.BitLen())
		body = appendAttribute(body, routeFrom, q.From.AsSlice())
	}
	if q.In != 0 {
		body = appendU32(body, routeIn, q.In)
	}
	if q.Protocol != 0 {
		body = appendU8(body, routeProtocol, q.Protocol)
		for attribute, port := range map[uint16]uint16{routeFromPort: q.FromPort, routeToPort: q.ToPort} {
			body = appendAttribute(body, attribute, []byte{byte(port >> 8), byte(port)})
		}
	}
	return appendMessage(nil, message{typ: getRoute, flags: flagRequest, seq: a.Seq, body: body})
}

// AllRoutes asks for all routes to addresses of the same family as one, of all tables.
func (a Ask) AllRoutes(like netip.Addr) []byte {
	body := make([]byte, routeSize)
	body[0] = family(like)
	return appendMessage(nil, message{typ: getRoute, flags: flagRequest | flagDump, seq: a.Seq, body: body})
}

// Routes reads what a datagram says of routes.
func Routes(datagram []byte) (list []Route) {
	for _, m := range split(datagram) {
		if m.typ != newRoute || len(m.body) < routeSize {
			continue
		}
		attrs, _ := parseAttributes(m.body[routeSize:])
		r := Route{Type: m.body[7], Table: uint32(m.body[4]), TOS: m.body[3], Dead: native.Uint32(m.body[8:])&hopDead != 0}
		r.Out, _ = attrs.u32(routeOut)
		r.Priority, _ = attrs.u32(routePriority)
		r.Source, _ = netip.AddrFromSlice(attrs[routeSource])
		r.hop(attrs)
		if table, told := attrs.u32(routeTable); told {
			r.Table = table
		}
		to, told := netip.AddrFromSlice(attrs[routeTo])
		switch {
		case told:
		case m.body[0] == familyIPv4:
			to = netip.IPv4Unspecified()
		default:
			to = netip.IPv6Unspecified()
		}
		r.To, _ = to.Prefix(int(m.body[1]))
		metrics, _ := parseAttributes(attrs[routeMetrics])
		if locked, _ := metrics.u32(metricLock); locked&(1<<metricMTU) != 0 {
			r.MTU, _ = metrics.u32(metricMTU)
		}
		r.Hops = hops(attrs[routeSeveral])
		list = append(list, r)
	}
	return list
}

// hop reads what a next hop has of its own, besides its device.
func (r *Route) hop(attrs attributes) {
	r.Gateway, _ = netip.AddrFromSlice(attrs[routeGateway])
	if via := attrs[routeVia]; len(via) > 2 {
		r.Gateway, _ = netip.AddrFromSlice(via[2:])
	}
	_, r.Tunnel = attrs[routeEncap]
}

// hops reads a list of struct rtnexthop.
func hops(p []byte) (list []Route) {
	for len(p) >= hopSize {
		n := int(native.Uint16(p))
		if n < hopSize || n > len(p) {
			return list
		}
		attrs, _ := parseAttributes(p[hopSize:n])
		r := Route{Out: native.Uint32(p[4:]), Dead: p[2]&hopDead != 0}
		r.hop(attrs)
		list = append(list, r)
		p = p[min(align(n), len(p)):]
	}
	return list
}

// Neighbour asks for a neighbour of a device.
func (a Ask) Neighbour(ifindex uint32, to netip.Addr) []byte {
	body := make([]byte, neighbourSize)
	body[0] = family(to)
	native.PutUint32(body[4:], ifindex)
	body = appendAttribute(body, neighbourTo, to.AsSlice())
	return appendMessage(nil, message{typ: getNeighbour, flags: flagRequest, seq: a.Seq, body: body})
}

// NeighbourEntry is what a device knows of a neighbour.
type NeighbourEntry struct {
	State   uint16 // NUD_REACHABLE and so on
	Address []byte // of the link layer
}

// Neighbours reads what a datagram says of neighbours.
func Neighbours(datagram []byte) (list []NeighbourEntry) {
	for _, m := range split(datagram) {
		if m.typ != newNeighbour || len(m.body) < neighbourSize {
			continue
		}
		attrs, _ := parseAttributes(m.body[neighbourSize:])
		list = append(list, NeighbourEntry{State: native.Uint16(m.body[8:]), Address: attrs[neighbourLink]})
	}
	return list
}
