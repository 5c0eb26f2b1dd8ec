package machine

import "errors"

var (
	errNoRing   = errors.New("the map is no ring buffer")
	errNoRecord = errors.New("no such record")
)

// ringOutput is bpf_ringbuf_output.
func (m *run) ringOutput() (uint64, error) {
	r, err := m.ringAt(m.r[1])
	if err != nil {
		return 0, err
	}
	data, err := m.bytes(m.r[2], int(m.r[3]))
	if err != nil {
		return 0, err
	}
	if m.r[4]&^(ringNoWake|ringForceWake) != 0 {
		return failed(invalid), nil
	}
	sample, made := r.reserve(uint64(len(data)))
	if sample == nil {
		return failed(tryAgain), nil
	}
	copy(sample, data)
	made.finish(0)
	m.world.Wake(uint32(m.r[1]))
	return 0, nil
}

// ringReserve is bpf_ringbuf_reserve.
func (m *run) ringReserve() (uint64, error) {
	address, _, err := m.reserve(m.r[1], m.r[2], m.r[3])
	return address, err
}

// reserve makes a record reachable and returns its address, 0 where there is no
// room.
func (m *run) reserve(from, size, flags uint64) (address uint64, sample []byte, err error) {
	r, err := m.ringAt(from)
	if err != nil || flags != 0 || size > maxRecord {
		return 0, nil, err
	}
	sample, made := r.reserve(size)
	if sample == nil {
		return 0, nil, nil
	}
	address = m.add(sample)
	m.records = append(m.records, reserved{record: made, address: address, of: uint32(from)})
	return address, sample, nil
}

// reserved is a record that the run has to submit or discard.
type reserved struct {
	record
	address uint64
	of      uint32 // the map
}

// ringFinish is bpf_ringbuf_submit, or with a flag bpf_ringbuf_discard.
func (m *run) ringFinish(flag uint32) error { return m.finish(m.r[1], flag) }

func (m *run) finish(address uint64, flag uint32) error {
	for i, d := range m.records {
		if d.address == address {
			d.finish(flag)
			m.regions[address>>regionBits-1] = nil
			m.records = append(m.records[:i], m.records[i+1:]...)
			m.world.Wake(d.of)
			return nil
		}
	}
	return errNoRecord
}

// What bpf_ringbuf_query is asked (BPF_RB_*).
const (
	ringUnread = iota
	ringSize
	ringConsumer
	ringProducer
)

func (m *run) ringQuery() (uint64, error) {
	r, err := m.ringAt(m.r[1])
	if err != nil {
		return 0, err
	}
	switch m.r[2] {
	case ringUnread:
		return r.producer() - r.consumer(), nil
	case ringSize:
		return r.size(), nil
	case ringConsumer:
		return r.consumer(), nil
	case ringProducer:
		return r.producer(), nil
	}
	return 0, nil
}
