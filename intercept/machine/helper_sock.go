package machine

import "net/netip"

// SocketQuestion is which socket a packet from one address to another is for.
type SocketQuestion struct {
	Protocol      uint8 // IPPROTO_TCP or IPPROTO_UDP
	Remote, Local netip.AddrPort
	Ifindex       uint32 // of the device at which it arrives
}

// Socket is a socket, as programs see it.
type Socket struct {
	Protocol      uint8 // 0: of a test run, which has no type either
	State         uint8 // TCP_ESTABLISHED and so on
	Remote, Local netip.AddrPort
	Ifindex       uint32 // of the device that it is bound to, 0: none
	Mark          uint32
	Cookie        uint64
	UID           uint32
	Cgroups       func() []uint64 // as those of a [Task]; nil: not known
}

const (
	stateSynReceived = 3  // TCP_SYN_RECV
	stateClosed      = 7  // TCP_CLOSE
	stateListen      = 10 // TCP_LISTEN
	stateTimeWait    = 6  // TCP_TIME_WAIT
	stateNewReceived = 12 // TCP_NEW_SYN_RECV

	tupleIPv4 = 12 // of struct bpf_sock_tuple
	tupleIPv6 = 36

	overflowUID = 65534 // of who has no id here
)

// Where struct bpf_sock has its fields.
const (
	sockIfindex  = 0
	sockFamily   = 4
	sockType     = 8
	sockProtocol = 12
	sockMark     = 16
	sockFrom4    = 24
	sockFrom6    = 28
	sockFromPort = 44
	sockToPort   = 48
	sockTo4      = 52
	sockTo6      = 56
	sockState    = 72
	sockSize     = 76 // without rx_queue_mapping, which nobody is told
)

// lookUpSocket is bpf_sk_lookup_tcp, bpf_sk_lookup_udp and bpf_skc_lookup_tcp, of
// which the latter finds sockets that are less than that, too.
func lookUpSocket(protocol uint8, whole bool) helper {
	return func(m *run) (uint64, error) {
		size, netns, flags := uint32(m.r[3]), int32(m.r[4]), m.r[5]
		tuple, err := m.bytes(m.r[2], int(size))
		if err != nil {
			return 0, err
		}
		switch {
		case flags != 0, size != tupleIPv4 && size != tupleIPv6:
			return 0, nil
		case netns >= 0, m.packet.Outside == nil:
			return 0, ErrUnknown
		}
		remote, local := addresses(tuple)
		s, found, err := m.packet.Outside.Socket(SocketQuestion{protocol, remote, local, m.packet.get(skbIfindex)})
		if err != nil || !found || whole && (s.State == stateTimeWait || s.State == stateNewReceived) {
			return 0, err
		}
		s.Protocol = protocol
		return m.add(s.bytes()), nil
	}
}

// addresses are those of a struct bpf_sock_tuple: its source is the other side.
func addresses(tuple []byte) (remote, local netip.AddrPort) {
	n := (len(tuple) - 4) / 2
	from, _ := netip.AddrFromSlice(tuple[:n])
	to, _ := netip.AddrFromSlice(tuple[n : 2*n])
	port := func(p []byte) uint16 { return uint16(p[0])<<8 | uint16(p[1]) }
	return netip.AddrPortFrom(from, port(tuple[2*n:])), netip.AddrPortFrom(to, port(tuple[2*n+2:]))
}

// bytes are the socket's struct bpf_sock. Nobody is told its priority, which reads
// 0.
func (s *Socket) bytes() []byte {
	p := make([]byte, sockSize)
	native.PutUint32(p[sockIfindex:], s.Ifindex)
	native.PutUint32(p[sockMark:], s.Mark)
	native.PutUint32(p[sockState:], uint32(s.State))
	if !s.Local.IsValid() {
		return p // of no family that has addresses
	}
	kind, from, to := uint32(1), sockFrom4, sockTo4 // SOCK_STREAM
	switch s.Protocol {
	case 0:
		kind = 0
	case protocolUDP:
		kind = 2 // SOCK_DGRAM
	}
	family := uint32(familyIPv4)
	if s.Local.Addr().Is6() {
		family, from, to = familyIPv6, sockFrom6, sockTo6
		if s.Protocol != 0 {
			copy(p[sockFrom4:], inIPv4(s.Local.Addr()))
			copy(p[sockTo4:], inIPv4(s.Remote.Addr()))
		}
	}
	native.PutUint32(p[sockFamily:], family)
	native.PutUint32(p[sockType:], kind)
	native.PutUint32(p[sockProtocol:], uint32(s.Protocol))
	copy(p[from:], s.Local.Addr().AsSlice())
	copy(p[to:], s.Remote.Addr().AsSlice())
	native.PutUint32(p[sockFromPort:], uint32(s.Local.Port()))
	putBig16(p[sockToPort:], s.Remote.Port())
	return p
}

// inIPv4 is what a socket of IPv6 has where others have their address.
func inIPv4(a netip.Addr) []byte {
	switch {
	case a.IsUnspecified():
		return nil
	case a.Is4In6():
		return a.Unmap().AsSlice()
	}
	return []byte{127, 0, 0, 6} // LOOPBACK4_IPV6
}

// sender is the socket that has sent the packet: none of one that arrives.
func (m *run) sender() (s Socket, found bool, err error) {
	p := m.packet
	switch {
	case p.Sender != nil:
		return *p.Sender, true, nil
	case p.Ingress:
		return s, false, nil
	}
	q, ok := p.sent()
	if p.Outside == nil || !ok {
		return s, false, ErrUnknown
	}
	s, found, err = p.Outside.Socket(q)
	s.Protocol = q.Protocol
	return s, found, err
}

// senderAddress is the address of the struct bpf_sock that the context has, 0 where
// nobody has sent the packet. It is the same each time.
func (m *run) senderAddress() (uint64, error) {
	if m.sock != 0 {
		return m.sock, nil
	}
	s, found, err := m.sender()
	if err != nil || !found {
		return 0, err
	}
	m.sock = m.add(s.bytes())
	return m.sock, nil
}

// listener is bpf_get_listener_sock: a socket that listens, itself.
func (m *run) listener() (uint64, error) {
	p, err := m.bytes(m.r[1], sockSize)
	if err != nil {
		return 0, err
	}
	if native.Uint32(p[sockState:]) != stateListen {
		return 0, nil
	}
	return m.r[1], nil
}

// TestSender is the socket of a test run, with the packet's addresses.
func (p *Packet) TestSender(cookie uint64) *Socket {
	s := &Socket{Cookie: cookie, State: stateClosed}
	header := p.Data[min(max(p.Network, 0), len(p.Data)):]
	from, n := 12, 4
	if p.Protocol() == ethIPv6 {
		from, n = 8, 16
	}
	switch kind := p.Protocol(); {
	case kind == ethIP && len(header) < ipv4Header, kind == ethIPv6 && len(header) < ipv6Header:
		header = make([]byte, ipv6Header)
	case kind != ethIP && kind != ethIPv6:
		return s
	}
	local, _ := netip.AddrFromSlice(header[from : from+n])
	remote, _ := netip.AddrFromSlice(header[from+n : from+2*n])
	s.Local, s.Remote = netip.AddrPortFrom(local, 0), netip.AddrPortFrom(remote, 0)
	return s
}

// sent is the question for who has sent the packet, by its headers.
func (p *Packet) sent() (q SocketQuestion, ok bool) {
	header := p.Data[min(max(p.Network, 0), len(p.Data)):]
	at, n, from := 0, 4, 12
	switch {
	case p.Protocol() == ethIP && len(header) >= ipv4Header:
		at, q.Protocol = int(header[0]&15)*4, header[9]
	case p.Protocol() == ethIPv6 && len(header) >= ipv6Header:
		at, n, from, q.Protocol = ipv6Header, 16, 8, header[6]
	default:
		return q, false
	}
	list := ports(header, at, q.Protocol)
	if list == nil || q.Protocol == protocolSCTP {
		return q, false
	}
	tuple := append(append([]byte{}, header[from:from+2*n]...), list...)
	q.Local, q.Remote = addresses(tuple)
	q.Ifindex = p.get(skbIfindex)
	return q, true
}

// socketCookie is bpf_get_socket_cookie of a packet.
func (m *run) socketCookie() (uint64, error) {
	s, _, err := m.sender()
	return s.Cookie, err
}

// socketUser is bpf_get_socket_uid.
func (m *run) socketUser() (uint64, error) {
	s, found, err := m.sender()
	if !found {
		return overflowUID, err
	}
	return uint64(s.UID), err
}
