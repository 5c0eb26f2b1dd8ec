package sim

import (
	"github.com/nkconform/nkconform/mprog"
)

// mapUpdate is map_update_elem.
func (k *call) mapUpdate() error {
	m, err := k.openMap(k.u32(elementMap), false, true)
	if err != nil {
		return err
	}
	flags := k.u64(elementFlags)
	if err := k.opFlags(m, flags, allFlags); err != nil {
		return err
	}
	key, err := k.key(m)
	if err != nil {
		return err
	}
	if m.wide() > maxValue {
		return refuse("map/value", mprog.ENOMEM, "value of %d bytes", m.wide())
	}
	value := make([]byte, m.span(flags))
	if err := k.read(k.u64(elementValue), value); err != nil {
		return err
	}
	return k.update(m, key, value, flags)
}

// update is bpf_map_update_value.
func (k *call) update(m *bpfMap, key, value []byte, flags uint64) error {
	switch m.typ {
	case queueMap, stackMap:
		return m.elements.push(value, flags)
	case bloomFilter:
		if flags != anyway {
			return refuse("map/update-flags", mprog.EINVAL, "flags %#x", flags)
		}
		m.elements.values[string(value)] = &element{value: value}
		return nil
	}
	return k.store(m, key, value, flags)
}

// store puts an element; a value that is an fd becomes a reference, and its id
// the value (bpf_fd_array_map_update_elem).
func (k *call) store(m *bpfMap, key, value []byte, flags uint64) error {
	if err := k.checkReference(m, key, value, flags); err != nil {
		return err
	}
	if m.deletes(value) {
		m.elements.remove(key)
		return nil
	}
	switch m.typ {
	case perfEventArray:
		return k.storeEvent(m, key, value, flags)
	case structOpsMap:
		return k.updateOps(m, key, value, flags)
	case ringBuffer, userRingBuffer:
		return refuse("map/operation", mprog.ENOTSUPP, "ring buffers have no elements")
	case arena:
		return refuse("map/operation", mprog.EOPNOTSUPP, "arenas have no elements")
	case stackTrace:
		return refuse("map/operation", mprog.EINVAL, "stacks are put there by programs")
	case cgroupStorage, perCPUCgroup:
		if err := m.updateFlags(flags); err != nil {
			return err
		}
		return refuse("map/absent", mprog.ENOENT, "no program is attached with this storage")
	}
	switch m.typ {
	case skStorage, inodeStorage, taskStorage, cgrpStorage:
		return k.storeOwned(m, key, value, flags)
	case cgroupArray:
		return k.storeCgroup(m, key, value, flags)
	case devMapHash, devMap, cpuMap: // what flags say has been looked at
		return k.storeOutlet(m, key, value)
	case insnArray:
		return m.elements.put(key, value, nil, anyway)
	}
	if !m.typ.fds() {
		if err := m.updateFlags(flags); err != nil {
			return err
		}
		return m.elements.put(key, m.widen(m.elements.get(key), value, flags), nil, flags)
	}
	if m.typ != hashOfMaps {
		if flags != anyway {
			return refuse("map/update-flags", mprog.EINVAL, "flags %#x", flags)
		}
		if i, ok := m.elements.index(key); !ok {
			return refuse("map/index", mprog.E2BIG, "index %d of %d", i, m.entries)
		}
	}
	fd := native.Uint32(value)
	o, open := k.caller.Object(fd)
	want := Prog
	if m.typ.outer() {
		want = Map
	}
	switch {
	case !open:
		return refuse("map/value-fd", mprog.EBADF, "value %d is not open", int32(fd))
	case o == nil || o.Kind != want:
		return refuse("map/value-fd", mprog.EINVAL, "value %d is not what the map holds", fd)
	}
	if want == Map && o.m.exclusive != nil {
		return refuse("map/inner", mprog.ENOTSUPP, "value %d is a map for one program alone", fd)
	}
	if want == Map && !m.inner.like(o.m) {
		return refuse("map/inner", mprog.EINVAL, "value %d is a map unlike the one that this map was made with", fd)
	}
	if want == Prog {
		if err := k.own(m, k.programs[o.ID]); err != nil {
			return err
		}
	}
	if err := m.updateFlags(flags); err != nil {
		return err
	}
	o = o.clone()
	if err := m.elements.put(key, native.AppendUint32(nil, o.ID), o, flags); err != nil {
		o.close()
		return err
	}
	return nil
}

// mapDelete is map_delete_elem.
func (k *call) mapDelete() error {
	m, err := k.openMap(k.u32(elementMap), false, true)
	if err != nil {
		return err
	}
	key, err := k.key(m)
	if err != nil {
		return err
	}
	return k.delete(m, key)
}

// delete is the type's map_delete_elem function.
func (k *call) delete(m *bpfMap, key []byte) error {
	if m.typ.storage() {
		owner, err := k.owner(m, key)
		if err != nil {
			return err
		}
		key = ownerKey(owner)
	}
	switch m.typ {
	case structOpsMap:
		return k.deleteOps(m)
	case arrayMap, perCPUArray, queueMap, stackMap, insnArray, cgroupStorage, perCPUCgroup:
		return refuse("map/operation", mprog.EINVAL, "maps of type %d keep their elements", m.typ)
	case bloomFilter, arena:
		return refuse("map/operation", mprog.EOPNOTSUPP, "maps of type %d keep their elements", m.typ)
	case ringBuffer, userRingBuffer:
		return refuse("map/operation", mprog.ENOTSUPP, "ring buffers have no elements")
	}
	if m.typ.indexed() && native.Uint32(key) >= m.entries {
		errno := mprog.E2BIG
		switch m.typ {
		case devMap, cpuMap, xskMap, sockMap:
			errno = mprog.EINVAL
		}
		return refuse("map/index", errno, "index %d of %d", native.Uint32(key), m.entries)
	}
	if m.typ == lpmTrie && native.Uint32(key) > 8*(m.keySize-4) {
		return refuse("map/prefix", mprog.EINVAL, "prefix of %d bits", native.Uint32(key))
	}
	if m.typ == stackTrace && uint64(native.Uint32(key)) >= powerOf2(m.entries) {
		return refuse("map/index", mprog.E2BIG, "stack %d of %d", native.Uint32(key), powerOf2(m.entries))
	}
	there := m.elements.remove(key)
	if there || m.typ == devMap || m.typ == cpuMap || m.typ == xskMap {
		return nil
	}
	if m.typ == sockMap {
		return refuse("map/absent", mprog.EINVAL, "no such element")
	}
	return refuse("map/absent", mprog.ENOENT, "no such element")
}
