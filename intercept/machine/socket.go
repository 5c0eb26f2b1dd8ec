package machine

import (
	"errors"
	"net/netip"

	"github.com/nkconform/nkconform/intercept/layout"
)

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
	OnlyIPv6      bool
	// Of the rest is asked when a program wants it; nil: not known.
	Cgroups  func() []uint64        // as those of a [Task]
	Priority func() (uint32, error) // SO_PRIORITY
	TCP      func() ([]byte, error) // struct tcp_info
	Full     func() (bool, error)   // one that listens has as many connections to come as it takes
}

// whole reports whether the socket is one, and not what is left of one or comes before
// it (sk_fullsock).
func (s *Socket) whole() bool { return s.State != stateTimeWait && s.State != stateNewReceived }

// tcp reports whether it is a whole socket of TCP (sk_is_tcp).
func (s *Socket) tcp() bool { return s.whole() && s.Protocol == protocolTCP }

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

// sockFields are parts of struct bpf_sock, of which priority is asked for when it is
// read.
var sockFields = map[string]layout.Field{
	"what": {Offset: 0, Size: 20}, "priority": {Offset: 20, Size: 4}, "from": {Offset: 24, Size: sockTo4 - 24},
	"dst_ip4": {Offset: sockTo4, Size: 4}, "to": {Offset: sockTo6, Size: sockSize - sockTo6},
	"rx_queue_mapping": {Offset: sockSize, Size: 4},
}

// socket makes a socket's struct bpf_sock reachable, and returns its address.
func (m *run) socket(s *Socket) uint64 {
	var p []byte
	return m.ofSocket(s, m.object("bpf_sock", sockFields, func(field string) (any, error) {
		if p == nil {
			p = s.bytes()
		}
		f := sockFields[field]
		switch {
		case field == "priority" && s.Priority != nil:
			v, err := s.Priority()
			return uint64(v), err
		case field == "dst_ip4" && s.tcp() && s.Local.Addr().Is6() && s.State != stateListen: // differs by who has begun
		case int(f.Offset+f.Size) <= len(p) && field != "priority":
			return p[f.Offset:][:f.Size], nil
		}
		return nil, nil
	}))
}

// ofSocket notes whose structure is at an address.
func (m *run) ofSocket(s *Socket, address uint64) uint64 {
	if m.sockets == nil {
		m.sockets = make(map[uint64]*Socket)
	}
	m.sockets[address>>regionBits] = s
	return address
}

// socketAt is the socket that a helper gets, nil for an address that is 0.
func (m *run) socketAt(address uint64) (*Socket, error) {
	s := m.sockets[address>>regionBits]
	if s == nil && address != 0 {
		return nil, errNoSocket
	}
	return s, nil
}

var errNoSocket = errors.New("no such socket")

// bytes are the socket's struct bpf_sock, without its priority.
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
