package machine

import (
	"encoding/binary"
	"errors"
)

// Where struct __sk_buff has its fields.
const (
	skbLen      = 0
	skbPktType  = 4
	SKBMark     = 8
	skbQueue    = 12
	skbProtocol = 16
	skbVLAN     = 20 // vlan_present
	skbTCI      = 24
	skbVLANType = 28 // vlan_proto
	SKBPriority = 32
	skbIngress  = 36
	skbIfindex  = 40
	skbTCIndex  = 44
	SKBCB       = 48
	skbHash     = 68
	skbClassid  = 72
	skbData     = 76
	skbDataEnd  = 80
	skbDataMeta = 140
	SKBTime     = 152
	SKBWireLen  = 160
	skbGSOSegs  = 164
	skbSocket   = 168
	skbGSOSize  = 176
	skbTimeType = 180
	contextSize = 192
)

// Where struct xdp_md has its fields.
const (
	xdpData     = 0
	xdpDataEnd  = 4
	xdpDataMeta = 8
	xdpIngress  = 12
	xdpQueue    = 16
	xdpEgress   = 20
	xdpSize     = 24
)

// context makes the packet reachable and returns the context's address.
func (m *run) context(kind Kind) uint64 {
	if m.ctx == 0 {
		m.ctx = m.add(nil)
		m.moved()
	}
	return m.ctx
}

// moved makes the packet reachable where it is now, and no longer where it was.
func (m *run) moved() {
	if m.data != 0 {
		m.regions[m.data>>regionBits-1] = nil
	}
	p := m.packet
	if meta := p.Metadata(); meta != nil {
		m.data = m.add(p.buffer[p.at-p.meta:p.at+len(p.Data)]) + uint64(p.meta)
		return
	}
	p.meta = 0
	m.data = m.add(p.Data)
}

var errContext = errors.New("the context has no such field")

// loadContext is the value of a field, or of a part of one.
func (m *run) loadContext(field uint64, size int) (uint64, error) {
	p := m.packet
	if field+uint64(size) > contextSize || m.program.kind == XDP && field+uint64(size) > xdpSize {
		return 0, errContext
	}
	data, end, meta := uint64(skbData), uint64(skbDataEnd), uint64(skbDataMeta)
	if m.program.kind == XDP {
		data, end, meta = xdpData, xdpDataEnd, xdpDataMeta
	}
	if size == 8 && field == skbSocket && m.program.kind == SKB {
		return m.senderAddress()
	}
	if size == 4 {
		switch field {
		case data:
			return m.data, nil
		case meta:
			return m.data - uint64(p.meta), nil
		case end:
			return m.data + uint64(len(p.Data)), nil
		}
	}
	if m.program.kind == XDP {
		var ctx [xdpSize]byte
		copy(ctx[xdpIngress:], p.Context[skbIfindex:skbIfindex+4])
		copy(ctx[xdpQueue:], p.Context[skbQueue:skbQueue+4])
		native.PutUint32(ctx[xdpEgress:], p.Egress)
		return number(ctx[field:], size), nil
	}
	p.tell(int(field), size)
	return number(p.Context[field:], size), nil
}

// storeContext changes a field, of those that programs may.
func (m *run) storeContext(field uint64, size int, v uint64) error {
	p := m.packet
	switch {
	case m.program.kind == XDP:
		return errContext
	case field >= SKBCB && field+uint64(size) <= SKBCB+20:
		put(p.Context[field:], size, v)
	case size == 8 && field == SKBTime:
		put(p.Context[field:], size, v)
		if p.Ingress {
			p.Context[skbTimeType] = 0
		}
	case size != 4:
		return errContext
	case field == SKBMark, field == SKBPriority:
		p.tell(int(field), 4)
		p.set(int(field), uint32(v))
	case field == skbTCIndex, field == skbClassid:
		p.set(int(field), uint32(uint16(v)))
	case field == skbQueue:
		if v < 0xffff { // NO_QUEUE_MAPPING
			p.set(int(field), uint32(v))
		}
	default:
		return errContext
	}
	return nil
}

// number reads a number of the machine's order of bytes.
func number(p []byte, size int) uint64 {
	switch size {
	case 1:
		return uint64(p[0])
	case 2:
		return uint64(native.Uint16(p))
	case 4:
		return uint64(native.Uint32(p))
	}
	return native.Uint64(p)
}

func put(p []byte, size int, v uint64) {
	switch size {
	case 1:
		p[0] = byte(v)
	case 2:
		native.PutUint16(p, uint16(v))
	case 4:
		native.PutUint32(p, uint32(v))
	default:
		native.PutUint64(p, v)
	}
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
