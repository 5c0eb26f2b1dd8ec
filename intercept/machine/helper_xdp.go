package machine

// Packets of XDP lie in a frame of one page, as far as they fit.

// place has the packet in a frame.
func (m *run) place() {
	if !m.packet.placed() {
		m.packet.place(0, 0)
		m.moved()
	}
}

func (m *run) xdpAdjustHead() (uint64, error) {
	p, n := m.packet, int(int32(m.r[2]))
	m.place()
	at := p.at + n
	if at < frameStruct+p.meta || at > p.at+len(p.Data)-ethernetHeader {
		return failed(invalid), nil
	}
	copy(p.buffer[at-p.meta:at], append([]byte{}, p.Metadata()...))
	p.at, p.Data = at, p.buffer[at:p.at+len(p.Data)]
	p.set(skbLen, uint32(len(p.Data)))
	m.moved()
	return 0, nil
}

func (m *run) xdpAdjustMeta() (uint64, error) {
	p, n := m.packet, int(int32(m.r[2]))
	m.place()
	at := p.at - p.meta + n
	switch meta := p.at - at; {
	case at < frameStruct, meta < 0:
		return failed(invalid), nil
	case meta%4 != 0, meta > maxMeta:
		return failed(noAccess), nil
	default:
		p.meta = meta
	}
	m.moved()
	return 0, nil
}

func (m *run) xdpAdjustTail() (uint64, error) {
	p, n := m.packet, int(int32(m.r[2]))
	m.place()
	length := len(p.Data) + n
	if p.at+length > len(p.buffer) || length < ethernetHeader {
		return failed(invalid), nil
	}
	p.resize(length)
	m.moved()
	return 0, nil
}

// xdpBytes is where bpf_xdp_load_bytes and bpf_xdp_store_bytes copy.
func (m *run) xdpBytes() (packet, memory []byte, errno int, err error) {
	at, n := uint64(uint32(m.r[2])), uint64(uint32(m.r[4]))
	if memory, err = m.bytes(m.r[3], int(n)); err != nil {
		return nil, nil, 0, err
	}
	switch {
	case at > highestOffset, n > highestOffset:
		return nil, nil, fault, nil
	case at+n > uint64(len(m.packet.Data)):
		return nil, nil, invalid, nil
	}
	return m.packet.Data[at : at+n], memory, 0, nil
}

func (m *run) xdpLoadBytes() (uint64, error) {
	packet, to, errno, err := m.xdpBytes()
	copy(to, packet)
	return failed(errno), err
}

func (m *run) xdpStoreBytes() (uint64, error) {
	packet, from, errno, err := m.xdpBytes()
	copy(packet, from)
	return failed(errno), err
}
