package rtnl

import "net/netip"

// SocketQuestion is which socket a packet is for, of NETLINK_SOCK_DIAG
// (include/uapi/linux/inet_diag.h).
type SocketQuestion struct {
	Protocol      uint8 // IPPROTO_TCP or IPPROTO_UDP
	Remote, Local netip.AddrPort
	Ifindex       uint32
}

// InetSocket is a socket of a network namespace.
type InetSocket struct {
	State         uint8 // TCP_ESTABLISHED and so on
	Remote, Local netip.AddrPort
	Ifindex       uint32 // of the device that it is bound to
	Cookie        uint64
	UID           uint32
	Mark          uint32
	Cgroup        uint64 // its id, 0: not told
	Inode         uint32 // by which /proc names it; 0: no program has it
	Backlog       uint32 // of one that listens: how many connections to come it takes
	OnlyIPv6      bool
	TCP           []byte // struct tcp_info, if it was asked for
}

const (
	byFamily = 20 // SOCK_DIAG_BY_FAMILY

	diagAsked  = 56 // sizeof(struct inet_diag_req_v2)
	diagTold   = 72 // sizeof(struct inet_diag_msg)
	diagWrites = 60 // where it has idiag_wqueue
	diagUID    = 64 // idiag_uid
	diagInode  = 68 // idiag_inode
	diagID     = 8  // and, as what is asked, struct inet_diag_sockid
	diagToldID = 4  //
	diagMark   = 15 // INET_DIAG_MARK
	diagCgroup = 21 // INET_DIAG_CGROUP_ID
	diagIPv6   = 11 // INET_DIAG_SKV6ONLY
	diagInfo   = 2  // INET_DIAG_INFO
	protoTCP   = 6  // IPPROTO_TCP
	protoUDP   = 17 // IPPROTO_UDP
	noCookie   = 1<<32 - 1
)

// States of requests for connections: as what they are told, and what they are.
const (
	stateReceived    = 3  // TCP_SYN_RECV
	stateNewReceived = 12 // TCP_NEW_SYN_RECV
)

// Where struct inet_diag_sockid has its fields.
const (
	idSource      = 0 // port
	idDestination = 2
	idFrom        = 4
	idTo          = 20
	idIfindex     = 36
	idCookie      = 40
)

// Socket asks for the socket that a packet is for, and if info for what TCP knows of the
// connection. Of UDP, the kernel wants the addresses the other way round.
func (a Ask) Socket(q SocketQuestion, info bool) []byte {
	body := make([]byte, diagAsked)
	from, to := q.Local, q.Remote
	if q.Protocol == protoUDP {
		from, to = to, from
	}
	body[0], body[1] = family(q.Local.Addr()), q.Protocol
	if info {
		body[2] = 1 << (diagInfo - 1)
	}
	native.PutUint32(body[4:], 1<<32-1) // in any state
	id := body[diagID:]
	putPort(id[idSource:], from.Port())
	putPort(id[idDestination:], to.Port())
	copy(id[idFrom:], from.Addr().AsSlice())
	copy(id[idTo:], to.Addr().AsSlice())
	native.PutUint32(id[idIfindex:], q.Ifindex)
	native.PutUint32(id[idCookie:], noCookie)
	native.PutUint32(id[idCookie+4:], noCookie)
	return appendMessage(nil, message{typ: byFamily, flags: flagRequest, seq: a.Seq, body: body})
}

// AnySocket asks for no socket of a protocol, which is refused where the kernel
// cannot tell of any.
func (a Ask) AnySocket(family, protocol uint8) []byte {
	body := make([]byte, diagAsked)
	body[0], body[1] = family, protocol
	return appendMessage(nil, message{typ: byFamily, flags: flagRequest | flagDump, seq: a.Seq, body: body})
}

// Requests asks for all connections that are to come.
func (a Ask) Requests(like netip.Addr) []byte {
	body := make([]byte, diagAsked)
	body[0], body[1] = family(like), protoTCP
	native.PutUint32(body[4:], 1<<stateReceived|1<<stateNewReceived)
	return appendMessage(nil, message{typ: byFamily, flags: flagRequest | flagDump, seq: a.Seq, body: body})
}

func putPort(p []byte, port uint16) { p[0], p[1] = byte(port>>8), byte(port) }

// InetSockets reads what a datagram says of sockets.
func InetSockets(datagram []byte) (list []InetSocket) {
	for _, m := range split(datagram) {
		if m.typ != byFamily || len(m.body) < diagTold {
			continue
		}
		id := m.body[diagToldID:]
		attrs, _ := parseAttributes(m.body[diagTold:])
		s := InetSocket{
			State: m.body[1], UID: native.Uint32(m.body[diagUID:]), Ifindex: native.Uint32(id[idIfindex:]),
			Local: addrPort(m.body[0], id[idFrom:], id[idSource:]), Remote: addrPort(m.body[0], id[idTo:], id[idDestination:]),
			Cookie: uint64(native.Uint32(id[idCookie:])) | uint64(native.Uint32(id[idCookie+4:]))<<32,
		}
		s.Inode, s.Backlog, s.TCP = native.Uint32(m.body[diagInode:]), native.Uint32(m.body[diagWrites:]), attrs[diagInfo]
		if s.State == stateReceived && s.Inode == 0 {
			s.State = stateNewReceived
		}
		if p := attrs[diagIPv6]; len(p) > 0 {
			s.OnlyIPv6 = p[0] != 0
		}
		s.Mark, _ = attrs.u32(diagMark)
		if p := attrs[diagCgroup]; len(p) >= 8 {
			s.Cgroup = native.Uint64(p)
		}
		list = append(list, s)
	}
	return list
}

func addrPort(of byte, address, port []byte) netip.AddrPort {
	n := uint16(port[0])<<8 | uint16(port[1])
	if of == familyIPv4 {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte(address)), n)
	}
	return netip.AddrPortFrom(netip.AddrFrom16([16]byte(address)), n)
}
