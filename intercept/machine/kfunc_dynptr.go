package machine

import "fmt"

// dynptrFromPacket is bpf_dynptr_from_skb and bpf_dynptr_from_xdp. Programs that may not
// change packets get one to read from.
func (m *run) dynptrFromPacket() (uint64, error) {
	flags, at := m.r[2], m.r[3]
	if flags != 0 {
		return failed32(invalid), m.setDynptr(at, nil)
	}
	p := m.packet
	if p.Fragmented() {
		return 0, fmt.Errorf("a packet in fragments: %w", ErrUnknown)
	}
	return 0, m.setDynptr(at, &dynptr{packet: true, size: uint64(len(p.Data)), readOnly: p.pulled != nil})
}

// dynptrSlice is the address of a part, in the packet itself as that is in one piece; 0
// where there is none.
func (m *run) dynptrSlice(writes bool) (uint64, error) {
	d, err := m.dynptrAt(m.r[1])
	offset, size := uint64(uint32(m.r[2])), uint64(uint32(m.r[4]))
	if err != nil || d == nil || offset+size > d.size || writes && d.readOnly {
		return 0, err
	}
	if !d.packet {
		return d.address + d.offset + offset, nil
	}
	if m.packet.part(d.offset+offset, size) == nil {
		return 0, nil
	}
	return m.data + d.offset + offset, nil
}

func (m *run) dynptrAdjust() (uint64, error) {
	d, err := m.dynptrAt(m.r[1])
	start, end := uint64(uint32(m.r[2])), uint64(uint32(m.r[3]))
	switch {
	case err != nil:
		return 0, err
	case d == nil, start > end:
		return failed32(invalid), nil
	case end > d.size:
		return failed32(outOfRange), nil
	}
	d.offset, d.size = d.offset+start, end-start
	return 0, nil
}

func (m *run) dynptrIsNull() (uint64, error) {
	d, err := m.dynptrAt(m.r[1])
	return boolean(d == nil), err
}

func (m *run) dynptrIsReadOnly() (uint64, error) {
	d, err := m.dynptrAt(m.r[1])
	return boolean(d != nil && d.readOnly), err
}

func boolean(v bool) uint64 {
	if v {
		return 1
	}
	return 0
}

// dynptrLength is bpf_dynptr_size.
func (m *run) dynptrLength() (uint64, error) {
	d, err := m.dynptrAt(m.r[1])
	if err != nil || d == nil {
		return failed32(invalid), err
	}
	return d.size, nil
}

func (m *run) dynptrClone() (uint64, error) {
	d, err := m.dynptrAt(m.r[1])
	switch {
	case err != nil:
		return 0, err
	case d == nil:
		return failed32(invalid), m.setDynptr(m.r[2], nil)
	}
	return 0, m.setDynptr(m.r[2], d)
}
