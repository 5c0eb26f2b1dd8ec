package machine

import "slices"

// Packets of XDP lie in a frame of one page, as far as they fit; the rest is in fragments,
// each a page.

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
	if len(p.fragments) > 0 {
		errno := p.adjustFragments(n)
		m.moved()
		return failed(errno), nil
	}
	length := len(p.Data) + n
	if p.at+length > len(p.buffer) || length < ethernetHeader {
		return failed(invalid), nil
	}
	p.resize(length)
	m.moved()
	return 0, nil
}

// adjustFragments makes the last fragments shorter, or the last one longer by zeros.
func (p *Packet) adjustFragments(n int) (errno int) {
	last := &p.fragments[len(p.fragments)-1]
	switch {
	case n > pageSize-len(*last), n < 0 && -n > p.length()-ethernetHeader:
		return invalid
	case n >= 0:
		*last = append(*last, make([]byte, n)...)
		return 0
	}
	for n = -n; n > 0 && len(p.fragments) > 0; {
		last := &p.fragments[len(p.fragments)-1]
		cut := min(n, len(*last))
		*last = (*last)[:len(*last)-cut]
		if n -= cut; len(*last) == 0 {
			p.fragments = p.fragments[:len(p.fragments)-1]
		}
	}
	p.resize(len(p.Data) - n)
	return 0
}

// length is that of the whole packet.
func (p *Packet) length() (n int) {
	n = len(p.Data)
	for _, more := range p.fragments {
		n += len(more)
	}
	return n
}

// Whole is the packet with its fragments.
func (p *Packet) Whole() []byte {
	if len(p.fragments) == 0 {
		return p.Data
	}
	return append(slices.Clone(p.Data), slices.Concat(p.fragments...)...)
}

// Fragmented reports whether the packet has fragments.
func (p *Packet) Fragmented() bool { return len(p.fragments) > 0 }

// Fragment has more of the packet in fragments, as long as pages.
func (p *Packet) Fragment(more []byte) {
	p.fragments = nil
	for page := range slices.Chunk(more, pageSize) {
		p.fragments = append(p.fragments, slices.Clone(page))
	}
}

// copyParts calls a function for each part of n bytes from an offset on, with what lies
// before it.
func (p *Packet) copyParts(at, n int, f func(part []byte, before int)) {
	done := 0
	for _, part := range append([][]byte{p.Data}, p.fragments...) {
		if at < len(part) && done < n {
			piece := part[at:min(len(part), at+n-done)]
			f(piece, done)
			done += len(piece)
		}
		at = max(at-len(part), 0)
	}
}

// xdpBytes is what bpf_xdp_load_bytes and bpf_xdp_store_bytes copy: from where, and the
// memory.
func (m *run) xdpBytes() (at int, memory []byte, errno int, err error) {
	from, n := uint64(uint32(m.r[2])), uint64(uint32(m.r[4]))
	if memory, err = m.bytes(m.r[3], int(n)); err != nil {
		return 0, nil, 0, err
	}
	switch {
	case from > highestOffset, n > highestOffset:
		return 0, nil, fault, nil
	case from+n > uint64(m.packet.length()):
		return 0, nil, invalid, nil
	}
	return int(from), memory, 0, nil
}

func (m *run) xdpLoadBytes() (uint64, error) {
	at, to, errno, err := m.xdpBytes()
	m.packet.copyParts(at, len(to), func(part []byte, before int) { copy(to[before:], part) })
	return failed(errno), err
}

func (m *run) xdpStoreBytes() (uint64, error) {
	at, from, errno, err := m.xdpBytes()
	m.packet.copyParts(at, len(from), func(part []byte, before int) { copy(part, from[before:]) })
	return failed(errno), err
}
