package sim

import "github.com/nkconform/nkconform/mprog"

// innerMap is bpf_map_meta_alloc: the map that those within another one are like.
func (k *call) innerMap() (*bpfMap, error) {
	m, err := k.mapByFD("inner_map_fd", k.u32(createInner))
	switch {
	case err != nil:
		return nil, err
	case m.typ.outer():
		return nil, refuse("map/inner", mprog.EINVAL, "inner_map_fd %d is a map of maps", k.u32(createInner))
	case m.exclusive != nil:
		return nil, refuse("map/inner", mprog.ENOTSUPP, "inner_map_fd %d is for one program alone", k.u32(createInner))
	case m.typ == progArray, m.typ == structOpsMap, m.typ == cgroupStorage, m.typ == perCPUCgroup:
		return nil, refuse("map/inner", mprog.ENOTSUPP, "maps of type %d are in no other", m.typ)
	}
	return &bpfMap{typ: m.typ, keySize: m.keySize, valueSize: m.valueSize, flags: m.flags, entries: m.entries}, nil
}

// like is bpf_map_meta_equal, and those of arrays and ring buffers.
func (m *bpfMap) like(inner *bpfMap) bool {
	if m.typ != inner.typ || m.keySize != inner.keySize || m.valueSize != inner.valueSize || m.flags != inner.flags {
		return false
	}
	switch m.typ {
	case arrayMap:
		return inner.flags&innerMap != 0 || m.entries == inner.entries
	case xskMap:
		return m.entries == inner.entries
	}
	return true
}
