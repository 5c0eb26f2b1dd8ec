package machine

import "bytes"

// key reads the key that r2 points to.
func (m *run) key() (of Map, key []byte, err error) {
	if of, err = m.mapAt(m.r[1]); err != nil {
		return nil, nil, err
	}
	key, err = m.bytes(m.r[2], int(of.KeySize()))
	return of, key, err
}

func (m *run) mapLookup() (uint64, error) {
	of, key, err := m.key()
	if err != nil {
		return 0, err
	}
	if id, ok := of.Inner(key); ok {
		return mapAddress(id), nil
	}
	return m.value(of.Lookup(key)), nil
}

// value is the address of a map's value, 0 for none.
func (m *run) value(v []byte) uint64 {
	if v == nil {
		return 0
	}
	return m.share(v)
}

func (m *run) mapUpdate() (uint64, error) {
	of, key, err := m.key()
	if err != nil {
		return 0, err
	}
	value, err := m.bytes(m.r[3], int(of.ValueSize()))
	if err != nil {
		return 0, err
	}
	return failed(of.Update(bytes.Clone(key), bytes.Clone(value), m.r[4])), nil
}

func (m *run) mapDelete() (uint64, error) {
	of, key, err := m.key()
	if err != nil {
		return 0, err
	}
	return failed(of.Delete(key)), nil
}

func (m *run) mapLookupPerCPU() (uint64, error) {
	of, key, err := m.key()
	if err != nil {
		return 0, err
	}
	return m.value(of.LookupCPU(key, uint32(m.r[3]))), nil
}

func (m *run) mapPush() (uint64, error) {
	of, err := m.mapAt(m.r[1])
	if err != nil {
		return 0, err
	}
	value, err := m.bytes(m.r[2], int(of.ValueSize()))
	if err != nil {
		return 0, err
	}
	return failed(of.Push(bytes.Clone(value), m.r[3])), nil
}

func (m *run) mapPop(remove bool) (uint64, error) {
	of, err := m.mapAt(m.r[1])
	if err != nil {
		return 0, err
	}
	to, err := m.bytes(m.r[2], int(of.ValueSize()))
	if err != nil {
		return 0, err
	}
	value := of.Pop(remove)
	if value == nil {
		clear(to)
		return failed(noEntry), nil
	}
	copy(to, value)
	return 0, nil
}

// forEachElement is bpf_for_each_map_elem: the callback gets the map, a key, its
// value and what r3 is, and ends it by returning 1.
func (m *run) forEachElement() (uint64, error) {
	of, err := m.mapAt(m.r[1])
	if err != nil {
		return 0, err
	}
	address, callback, argument, flags := m.r[1], m.r[2], m.r[3], m.r[4]
	if flags != 0 {
		return failed(invalid), nil
	}
	n := uint64(0)
	for _, key := range of.Keys() {
		value := of.Lookup(key)
		if value == nil {
			continue // deleted by the callback
		}
		n++
		v, err := m.callback(callback, address, m.add(key), m.share(value), argument)
		if err != nil {
			return 0, err
		}
		if v != 0 {
			break
		}
	}
	return n, nil
}

const maxRepeats = 8 << 20 // BPF_MAX_LOOPS

// repeat is bpf_loop.
func (m *run) repeat() (uint64, error) {
	n, callback, argument, flags := uint64(uint32(m.r[1])), m.r[2], m.r[3], m.r[4]
	switch {
	case flags != 0:
		return failed(invalid), nil
	case n > maxRepeats: // in 32 bits, as kernels put the loop in the call's place
		return uint64(uint32(failed(tooBig))), nil
	}
	for i := range n {
		v, err := m.callback(callback, i, argument)
		if err != nil {
			return 0, err
		}
		if v != 0 {
			return i + 1, nil
		}
	}
	return n, nil
}
