package machine

const vlanHeader = 4

func isVLAN(ethertype uint16) bool { return ethertype == ethVLAN || ethertype == ethVLANOuter }

// innerProtocol is the ethertype behind all tags, 0 where the packet ends before.
func (p *Packet) innerProtocol() uint16 {
	kind := p.Protocol()
	at := ethernetHeader
	if p.skb.linkHeader != 0 {
		at = p.skb.linkHeader - vlanHeader
	}
	for ; isVLAN(kind); at += vlanHeader {
		if len(p.Data) < at+vlanHeader {
			return 0
		}
		kind = uint16(p.Data[at+2])<<8 | uint16(p.Data[at+3])
	}
	return kind
}

// vlanPush gives the packet a VLAN's tag beside it; the one that it had so far
// goes into it.
func (m *run) vlanPush() (uint64, error) {
	p, kind := m.packet, swap16(uint16(m.r[2]))
	if !isVLAN(kind) {
		kind = ethVLAN
	}
	if p.get(skbVLAN) != 0 {
		if len(p.Data) < ethernetHeader {
			return failed(noMemory), nil
		}
		outer := swap16(uint16(p.get(skbVLANType)))
		p.insert(2*6, vlanHeader)
		putBig16(p.Data[12:], outer)
		putBig16(p.Data[14:], uint16(p.get(skbTCI)))
		p.setProtocol(outer)
		m.moved()
	}
	p.setVLAN(kind, uint16(m.r[3]))
	p.skb.linkHeader = p.Network
	return 0, nil
}

func big16(p []byte) uint16 { return uint16(p[0])<<8 | uint16(p[1]) }

func putBig16(p []byte, v uint16) { p[0], p[1] = byte(v>>8), byte(v) }

func (p *Packet) setVLAN(kind, tag uint16) {
	p.set(skbVLAN, 1)
	p.set(skbVLANType, uint32(swap16(kind)))
	p.set(skbTCI, uint32(tag))
}

// vlanPop takes the outermost tag away; the next one then is beside the packet.
func (m *run) vlanPop() (uint64, error) {
	p := m.packet
	if p.get(skbVLAN) != 0 {
		p.set(skbVLAN, 0)
		p.set(skbTCI, 0)
		p.set(skbVLANType, 0)
	} else {
		if !isVLAN(p.Protocol()) {
			return 0, nil
		}
		if _, errno := m.untag(); errno != 0 {
			return failed(errno), nil
		}
	}
	if kind := p.Protocol(); isVLAN(kind) {
		tag, errno := m.untag()
		if errno != 0 {
			return failed(errno), nil
		}
		p.setVLAN(kind, tag)
	}
	return 0, nil
}

// untag takes a tag out of the packet.
func (m *run) untag() (tag uint16, errno int) {
	p := m.packet
	if len(p.Data) < ethernetHeader+vlanHeader {
		return 0, noMemory
	}
	tag = uint16(p.Data[14])<<8 | uint16(p.Data[15])
	p.setProtocol(ethertype(p.Data[16:]))
	p.remove(2*6, vlanHeader)
	p.Network = max(p.Network-vlanHeader, ethernetHeader)
	p.skb.linkHeader = p.Network
	m.moved()
	return tag, 0
}
