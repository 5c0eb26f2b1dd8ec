package machine

// dynptr is what a struct bpf_dynptr on a program's stack refers to. The struct
// itself has its number, 0 for a dynptr that is null.
type dynptr struct {
	address  uint64
	offset   uint64 // where it begins, of a packet also in that
	size     uint64
	record   bool // of a ring buffer
	packet   bool
	readOnly bool
}

const (
	dynptrSize = 16        // sizeof(struct bpf_dynptr)
	maxDynptr  = 1<<24 - 1 // DYNPTR_MAX_SIZE
)

// setDynptr makes the struct at an address refer to memory.
func (m *run) setDynptr(at uint64, d *dynptr) error {
	p, err := m.bytes(at, dynptrSize)
	if err != nil {
		return err
	}
	clear(p)
	if d != nil {
		m.dynptrs = append(m.dynptrs, *d)
		native.PutUint64(p, uint64(len(m.dynptrs)))
	}
	return nil
}

// dynptrAt is what the struct at an address refers to, nil if it is null.
func (m *run) dynptrAt(at uint64) (*dynptr, error) {
	p, err := m.bytes(at, dynptrSize)
	if err != nil {
		return nil, err
	}
	n := native.Uint64(p)
	if n == 0 || n > uint64(len(m.dynptrs)) {
		return nil, nil
	}
	return &m.dynptrs[n-1], nil
}

func (m *run) dynptrFromMemory() (uint64, error) {
	address, size, flags, at := m.r[1], uint64(uint32(m.r[2])), m.r[3], m.r[4]
	errno := 0
	switch {
	case size > maxDynptr:
		errno = tooBig
	case flags != 0:
		errno = invalid
	}
	if errno != 0 {
		return failed(errno), m.setDynptr(at, nil)
	}
	return 0, m.setDynptr(at, &dynptr{address: address, size: size})
}

// ringReserveDynptr is bpf_ringbuf_reserve_dynptr.
func (m *run) ringReserveDynptr() (uint64, error) {
	from, size, flags, at := m.r[1], uint64(uint32(m.r[2])), m.r[3], m.r[4]
	errno := 0
	switch {
	case flags != 0:
		errno = invalid
	case size > maxDynptr:
		errno = tooBig
	}
	if errno != 0 {
		return failed(errno), m.setDynptr(at, nil)
	}
	address, sample, err := m.reserve(from, size, 0)
	if err != nil {
		return 0, err
	}
	if sample == nil {
		return failed(invalid), m.setDynptr(at, nil)
	}
	return 0, m.setDynptr(at, &dynptr{address: address, size: size, record: true})
}

func (m *run) ringFinishDynptr(flag uint32) error {
	d, err := m.dynptrAt(m.r[1])
	if err != nil || d == nil {
		return err
	}
	if err := m.finish(d.address, flag); err != nil {
		return err
	}
	return m.setDynptr(m.r[1], nil)
}

// dynptrRead copies from what a dynptr refers to.
func (m *run) dynptrRead() (uint64, error) {
	to, err := m.bytes(m.r[1], int(uint32(m.r[2])))
	if err != nil {
		return 0, err
	}
	from, errno, err := m.within(m.r[3], uint32(m.r[4]), uint32(len(to)), true)
	if m.r[5] != 0 {
		return failed(invalid), err
	}
	copy(to, from)
	return failed(errno), err
}

// dynptrWrite copies to it.
func (m *run) dynptrWrite() (uint64, error) {
	from, err := m.bytes(m.r[3], int(uint32(m.r[4])))
	if err != nil {
		return 0, err
	}
	d, err := m.dynptrAt(m.r[1])
	if err != nil {
		return 0, err
	}
	if d != nil && d.packet && m.program.kind == SKB {
		return m.writePacket(d, from)
	}
	to, errno, err := m.within(m.r[1], uint32(m.r[2]), uint32(len(from)), false)
	if errno == 0 && m.r[5] != 0 {
		return failed(invalid), err
	}
	copy(to, from)
	return failed(errno), err
}

// writePacket is bpf_skb_store_bytes through a dynptr.
func (m *run) writePacket(d *dynptr, from []byte) (uint64, error) {
	at := uint64(uint32(m.r[2]))
	switch {
	case d.readOnly:
		return failed(invalid), nil
	case at+uint64(len(from)) > d.size:
		return failed(tooBig), nil
	}
	return m.storePacket(d.offset+at, from, m.r[5])
}

// within is a part of what the dynptr at an address refers to, to read it or to write
// to it.
func (m *run) within(at uint64, offset, size uint32, reads bool) (part []byte, errno int, err error) {
	d, err := m.dynptrAt(at)
	switch {
	case err != nil:
		return nil, 0, err
	case d == nil:
		return nil, invalid, nil
	case !reads && d.readOnly:
		return nil, invalid, nil
	case uint64(offset)+uint64(size) > d.size:
		return nil, tooBig, nil
	}
	if d.packet {
		if part = m.packet.part(d.offset+uint64(offset), uint64(size)); part == nil {
			errno = fault
		}
		return part, errno, nil
	}
	part, err = m.bytes(d.address+d.offset+uint64(offset), int(size))
	return part, 0, err
}

// dynptrData is the address of a part, 0 where there is none.
func (m *run) dynptrData() (uint64, error) {
	d, err := m.dynptrAt(m.r[1])
	offset, size := uint64(uint32(m.r[2])), uint64(uint32(m.r[3]))
	if err != nil || d == nil || d.packet || d.readOnly || offset+size > d.size {
		return 0, err
	}
	return d.address + d.offset + offset, nil
}
