package machine

import (
	"fmt"
	"math"
	"net/netip"
)

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

// lookUpSocket is bpf_sk_lookup_tcp, bpf_sk_lookup_udp and bpf_skc_lookup_tcp, of
// which the latter finds sockets that are less than that, too.
func lookUpSocket(protocol uint8, whole bool) helper {
	return func(m *run) (uint64, error) {
		size, flags := uint32(m.r[3]), m.r[5]
		tuple, err := m.bytes(m.r[2], int(size))
		if err != nil {
			return 0, err
		}
		if flags != 0 || size != tupleIPv4 && size != tupleIPv6 {
			return 0, nil
		}
		where, err := m.netns(m.r[4])
		if where == nil || err != nil {
			return 0, err
		}
		q := SocketQuestion{Protocol: protocol, Ifindex: m.packet.get(skbIfindex)}
		q.Remote, q.Local = addresses(tuple)
		s, found, err := where.Socket(q)
		s.Protocol = protocol
		if found && whole && err == nil {
			s, found, err = wholeOf(where, q, s)
		}
		if err != nil || !found {
			return 0, err
		}
		return m.socket(&s), nil
	}
}

const maxNetnsID = math.MaxInt32

// netns is the network namespace that an argument of a helper says: the packet's, or one
// that has an id there; nil if there is none.
func (m *run) netns(id uint64) (Outside, error) {
	switch outside := m.packet.Outside; {
	case int32(uint32(id)) >= 0 && id > maxNetnsID:
		return nil, nil
	case outside == nil:
		return nil, ErrUnknown
	case int32(uint32(id)) < 0:
		return outside, nil
	default:
		has, err := outside.HasNetns(int32(uint32(id)))
		if err == nil && has {
			err = fmt.Errorf("the network namespace with id %d: %w", id, ErrUnknown)
		}
		return nil, err
	}
}

// wholeOf is the socket itself, of a request for a connection the one that listens, of
// what is left of a connection none (sk_to_full_sk).
func wholeOf(where Outside, q SocketQuestion, s Socket) (of Socket, found bool, err error) {
	switch {
	case s.State == stateTimeWait:
		return s, false, nil
	case s.State != stateNewReceived:
		return s, true, nil
	case where == nil:
		return s, false, ErrUnknown
	}
	nobody := netip.IPv4Unspecified()
	if q.Remote.Addr().Is6() {
		nobody = netip.IPv6Unspecified()
	}
	q.Remote = netip.AddrPortFrom(nobody, 0)
	of, found, err = where.Socket(q)
	of.Protocol = q.Protocol
	return of, found && of.State == stateListen, err
}

// addresses are those of a struct bpf_sock_tuple: its source is the other side.
func addresses(tuple []byte) (remote, local netip.AddrPort) {
	n := (len(tuple) - 4) / 2
	from, _ := netip.AddrFromSlice(tuple[:n])
	to, _ := netip.AddrFromSlice(tuple[n : 2*n])
	port := func(p []byte) uint16 { return uint16(p[0])<<8 | uint16(p[1]) }
	return netip.AddrPortFrom(from, port(tuple[2*n:])), netip.AddrPortFrom(to, port(tuple[2*n+2:]))
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
	q, ok := p.Sent()
	if p.Outside == nil || !ok {
		return s, false, ErrUnknown
	}
	s, found, err = p.Outside.Socket(q)
	s.Protocol = q.Protocol
	return s, found, err
}

// wholeSender is the sender, of a request for a connection the socket that listens.
func (m *run) wholeSender() (s Socket, found bool, err error) {
	s, found, err = m.sender()
	if err != nil || !found {
		return s, false, err
	}
	q, _ := m.packet.Sent()
	return wholeOf(m.packet.Outside, q, s)
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
	m.sock = m.socket(&s)
	return m.sock, nil
}

// TestSender is the socket of a test run, with the packet's addresses.
func (p *Packet) TestSender(cookie uint64) *Socket {
	s := &Socket{Cookie: cookie, State: stateClosed, Priority: func() (uint32, error) { return 0, nil }}
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

// Sent is the question for who has sent the packet, by its headers.
func (p *Packet) Sent() (q SocketQuestion, ok bool) {
	q, ok = p.For()
	q.Local, q.Remote = q.Remote, q.Local
	return q, ok
}

// For is the question for whom the packet is, by its headers.
func (p *Packet) For() (q SocketQuestion, ok bool) {
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
	q.Remote, q.Local = addresses(tuple)
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
	s, found, err := m.wholeSender()
	if !found {
		return overflowUID, err
	}
	return uint64(s.UID), err
}
