package machine

import "encoding/binary"

// Packet is what programs get, and may change.
type Packet struct {
	Data []byte // from the link layer's header on
	// Context is struct __sk_buff without what are addresses in it, as programs
	// leave it for each other.
	Context [contextSize]byte
	// Redirect is where the last program wants the packet to go.
	Redirect Redirect
}

// Pull takes the link layer's header off.
func (p *Packet) Pull() {
	p.Data = p.Data[min(ethernetHeader, len(p.Data)):]
	p.set(skbLen, uint32(len(p.Data)))
}

// Redirect is what bpf_redirect was told.
type Redirect struct {
	Ifindex uint32
	Ingress bool // to arrive there, and not to be sent
}

// Where struct __sk_buff has its fields.
const (
	skbLen      = 0
	skbPktType  = 4
	SKBMark     = 8
	skbProtocol = 16
	SKBPriority = 32
	skbIngress  = 36
	skbIfindex  = 40
	SKBCB       = 48
	skbHash     = 68
	skbData     = 76
	skbDataEnd  = 80
	skbDataMeta = 140
	SKBTime     = 152
	SKBWireLen  = 160
	contextSize = 192
)

const ethernetHeader = 14

// NewPacket makes a packet of a frame, on a device.
func NewPacket(frame []byte, ifindex uint32) *Packet {
	p := &Packet{Data: frame}
	p.set(skbLen, uint32(len(frame)))
	p.set(SKBWireLen, uint32(len(frame)))
	if len(frame) >= ethernetHeader {
		p.set(skbProtocol, uint32(native.Uint16(frame[ethernetHeader-2:])))
	}
	p.On(ifindex)
	return p
}

// Protocol returns the packet's ethertype.
func (p *Packet) Protocol() uint16 {
	return binary.BigEndian.Uint16(native.AppendUint16(nil, native.Uint16(p.Context[skbProtocol:])))
}

// On says which device has the packet.
func (p *Packet) On(ifindex uint32) { p.set(skbIfindex, ifindex) }

// ToLoopback says for whom the packet is if lo has it, whose address is zero.
func (p *Packet) ToLoopback() {
	if len(p.Data) < ethernetHeader {
		return
	}
	kind := uint32(3) // PACKET_OTHERHOST
	switch to := [6]byte(p.Data[:6]); {
	case to == [6]byte{}:
		kind = 0 // PACKET_HOST
	case to == [6]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}:
		kind = 1 // PACKET_BROADCAST
	case to[0]&1 != 0:
		kind = 2 // PACKET_MULTICAST
	}
	p.set(skbPktType, kind)
}

// Arrived says that the packet arrived at a device, and as what: PACKET_HOST and
// so on.
func (p *Packet) Arrived(ifindex uint32, kind uint32) {
	p.On(ifindex)
	p.set(skbIngress, ifindex)
	p.set(skbPktType, kind)
}

func (p *Packet) set(field int, v uint32) { native.PutUint32(p.Context[field:], v) }

// Where struct xdp_md has its fields.
const (
	xdpData     = 0
	xdpDataEnd  = 4
	xdpDataMeta = 8
	xdpSize     = 24
)

// context makes the packet reachable and returns the context's address.
func (m *run) context(kind Kind) uint64 {
	if m.data == 0 {
		m.data = m.add(m.packet.Data)
		m.ctx = m.add(m.packet.Context[:])
		if kind == XDP {
			m.ctx = m.add(make([]byte, xdpSize))
		}
	}
	return m.ctx
}

// contextPointer is what the context has at an address, if that is a pointer.
func (m *run) contextPointer(address uint64, size int) (uint64, bool) {
	if size != 4 || address>>regionBits != m.ctx>>regionBits {
		return 0, false
	}
	field := int(address - m.ctx)
	data, end, meta := skbData, skbDataEnd, skbDataMeta
	if m.program.kind == XDP {
		data, end, meta = xdpData, xdpDataEnd, xdpDataMeta
	}
	switch field {
	case data, meta:
		return m.data, true
	case end:
		return m.data + uint64(len(m.packet.Data)), true
	}
	return 0, false
}

// loadPacket is the load of a classic program: from the packet, in its order of
// bytes. Where there is none the program ends with 0.
func (m *run) loadPacket(i *insn) (done bool, err error) {
	at := i.imm
	if i.mode() == modeIndirect {
		at += int64(int32(m.r[i.src]))
	}
	size := int64(i.size())
	if at < 0 || at+size > int64(len(m.packet.Data)) {
		m.r[0] = 0
		return true, nil
	}
	p := m.packet.Data[at:]
	switch size {
	case 1:
		m.r[0] = uint64(p[0])
	case 2:
		m.r[0] = uint64(binary.BigEndian.Uint16(p))
	default:
		m.r[0] = uint64(binary.BigEndian.Uint32(p))
	}
	m.at++
	return false, nil
}
