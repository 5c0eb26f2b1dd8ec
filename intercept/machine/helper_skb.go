package machine

import "math"

// part returns n bytes of the packet from an offset on, nil if there are not so
// many.
func (p *Packet) part(at, n uint64) []byte {
	if at > math.MaxInt32 || at+n > uint64(len(p.Data)) {
		return nil
	}
	return p.Data[at : at+n : at+n]
}

// skbLoadBytes copies from the packet to memory; where there is less, it clears
// that and fails.
func (m *run) skbLoadBytes() (uint64, error) {
	to, err := m.bytes(m.r[3], int(uint32(m.r[4])))
	if err != nil {
		return 0, err
	}
	return m.copyTo(to, uint64(uint32(m.r[2]))), nil
}

func (m *run) copyTo(to []byte, at uint64) uint64 {
	from := m.packet.part(at, uint64(len(to)))
	if from == nil {
		clear(to)
		return failed(fault)
	}
	copy(to, from)
	return 0
}

// skbLoadRelative is skbLoadBytes from one of the headers on.
func (m *run) skbLoadRelative() (uint64, error) {
	to, err := m.bytes(m.r[3], int(uint32(m.r[4])))
	if err != nil {
		return 0, err
	}
	at, header := uint64(uint32(m.r[2])), uint32(m.r[5])
	p := m.packet
	switch {
	case at > highestOffset, header > 1, header == 0 && p.Network == 0 && p.pulled == nil:
		clear(to)
		return failed(fault), nil
	case header == 1: // BPF_HDR_START_NET
		at += uint64(p.Network)
	case p.pulled != nil:
		return p.copyWhole(to, at), nil
	}
	return m.copyTo(to, at), nil
}

// copyWhole copies from the packet with the link layer's header that was taken
// off.
func (p *Packet) copyWhole(to []byte, at uint64) uint64 {
	if at+uint64(len(to)) > uint64(len(p.pulled)+len(p.Data)) {
		clear(to)
		return failed(fault)
	}
	n := 0
	if at < uint64(len(p.pulled)) {
		n = copy(to, p.pulled[at:])
		at = uint64(len(p.pulled))
	}
	copy(to[n:], p.Data[at-uint64(len(p.pulled)):])
	return 0
}

// Flags of bpf_skb_store_bytes.
const (
	flagRecompute  = 1 << 0 // BPF_F_RECOMPUTE_CSUM
	flagInvalidate = 1 << 1 // BPF_F_INVALIDATE_HASH
)

func (m *run) skbStoreBytes() (uint64, error) {
	from, err := m.bytes(m.r[3], int(uint32(m.r[4])))
	if err != nil {
		return 0, err
	}
	return m.storePacket(uint64(uint32(m.r[2])), from, m.r[5])
}

func (m *run) storePacket(at uint64, from []byte, flags uint64) (uint64, error) {
	if flags&^(flagRecompute|flagInvalidate) != 0 {
		return failed(invalid), nil
	}
	to := m.packet.part(at, uint64(len(from)))
	if to == nil {
		return failed(fault), nil
	}
	if flags&flagRecompute != 0 {
		m.packet.skb.checksum.replace(uint32(at), to, from)
	}
	copy(to, from)
	if flags&flagInvalidate != 0 {
		m.packet.clearHash()
	}
	return 0, nil
}

// pullData has nothing to do, as packets are in one piece.
func (m *run) pullData() (uint64, error) {
	if uint64(uint32(m.r[2])) > uint64(len(m.packet.Data)) {
		return failed(noMemory), nil
	}
	return 0, nil
}

const lastPacketType = 3 // PACKET_OTHERHOST, of those that a program may deal with

func (m *run) changeType() (uint64, error) {
	if uint32(m.r[2]) > lastPacketType || m.packet.get(skbPktType) > lastPacketType {
		return failed(invalid), nil
	}
	m.packet.set(skbPktType, uint32(m.r[2]))
	return 0, nil
}

// changeHead makes room for a link layer's header.
func (m *run) changeHead() (uint64, error) {
	p, n := m.packet, uint64(uint32(m.r[2]))
	if m.r[3] != 0 || p.gso() == 0 && uint64(len(p.Data))+n > maxSKB {
		return failed(invalid), nil
	}
	p.push(int(n))
	clear(p.Data[:n])
	p.Network += int(n)
	p.skb.linkHeader = p.Network
	p.moveTransport(int(n))
	m.moved()
	return 0, nil
}

// changeTail makes the packet shorter or longer.
func (m *run) changeTail() (uint64, error) {
	p, n := m.packet, uint64(uint32(m.r[2]))
	switch {
	case m.r[3] != 0, n > maxSKB, n < uint64(max(p.Network, p.Transport, 0)):
		return failed(invalid), nil
	case p.skb.encapsulated:
		return failed(notSupported), nil
	}
	p.skb.checksum.forget()
	p.resize(int(n))
	p.set(skbGSOSize, 0)
	p.set(skbGSOSegs, 0)
	m.moved()
	return 0, nil
}

func (p *Packet) gso() uint32 { return p.get(skbGSOSize) }

func (p *Packet) moveTransport(n int) {
	if p.Transport != 0 {
		p.Transport += n
	}
}

// Lengths of the network layer's headers without options.
const (
	ipv4Header = 20
	ipv6Header = 40
)

// changeProtocol makes room for the other IP's header, or takes it away.
func (m *run) changeProtocol() (uint64, error) {
	p, from, to := m.packet, m.packet.Protocol(), swap16(uint16(m.r[2]))
	if m.r[3] != 0 {
		return failed(invalid), nil
	}
	switch {
	case from == ethIP && to == ethIPv6:
		p.insert(p.Network, ipv6Header-ipv4Header)
	case from == ethIPv6 && to == ethIP:
		if len(p.Data) < p.Network+ipv6Header-ipv4Header {
			return failed(noMemory), nil
		}
		p.remove(p.Network, ipv6Header-ipv4Header)
	default:
		return failed(notSupported), nil
	}
	p.setProtocol(to)
	p.clearHash()
	m.moved()
	return 0, nil
}

// Clocks of bpf_skb_set_tstamp.
const (
	clockReal      = 0
	clockMonotonic = 1
	clockAtomic    = 2
)

func (m *run) setTime() (uint64, error) {
	p := m.packet
	if t := p.Protocol(); t != ethIP && t != ethIPv6 {
		return failed(notOperation), nil
	}
	switch clock := uint32(m.r[3]); {
	case clock == clockReal:
	case (clock == clockMonotonic || clock == clockAtomic) && m.r[2] != 0:
	default:
		return failed(invalid), nil
	}
	native.PutUint64(p.Context[SKBTime:], m.r[2])
	p.Context[skbTimeType] = byte(m.r[3])
	return 0, nil
}

// transformation is bpf_skb_get_xfrm_state of a packet without any.
func (m *run) transformation() (uint64, error) {
	to, err := m.bytes(m.r[3], int(uint32(m.r[4])))
	clear(to)
	return failed(invalid), err
}

// congestion is bpf_skb_ecn_set_ce: it returns whether the packet says so now.
func (m *run) congestion() (uint64, error) {
	p := m.packet
	switch header, kind := p.Data[min(max(p.Network, 0), len(p.Data)):], p.innerProtocol(); {
	case kind == ethIP && len(header) >= ipv4Header:
		return congestIPv4(header), nil
	case kind == ethIPv6 && len(header) >= ipv6Header:
		if header[1]>>4&3 == 0 {
			return 0, nil
		}
		header[1] |= 3 << 4
		return 1, nil
	}
	return 0, nil
}

func congestIPv4(header []byte) uint64 {
	switch was := header[1] & 3; was {
	case 0:
		return 0
	case 3:
		return 1
	}
	was := uint32(header[1])
	header[1] |= 3
	sum := uint32(header[10])<<8 | uint32(header[11])
	sum += 0xffff - (uint32(header[1]) - was)
	if sum >= 0xffff {
		sum++
	}
	header[10], header[11] = byte(sum>>8), byte(sum)
	return 1
}
