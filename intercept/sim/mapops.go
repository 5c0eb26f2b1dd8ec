package sim

import (
	"bytes"
	"fmt"

	"github.com/nkconform/nkconform/fake"
	"github.com/nkconform/nkconform/mprog"
)

// Where the commands on elements have their fields.
const (
	elementMap   = 0
	elementKey   = 8
	elementValue = 16 // and next_key
	elementFlags = 24
)

// element reads the map and the key of a command on elements.
func (k *call) element() (m *bpfMap, key []byte, err error) {
	if m, err = k.mapByFD("map_fd", k.u32(elementMap)); err != nil {
		return nil, nil, err
	}
	if m.keySize == 0 {
		if k.u64(elementKey) != 0 {
			return nil, nil, refuse("map/key", mprog.EINVAL, "the map has no keys")
		}
		return m, nil, nil
	}
	key = make([]byte, m.keySize)
	return m, key, k.read(k.u64(elementKey), key)
}

// toWrite is element, of a map that can be written.
func (k *call) toWrite() (m *bpfMap, key []byte, err error) {
	if m, err = k.mapByFD("map_fd", k.u32(elementMap)); err != nil {
		return nil, nil, err
	}
	if err := m.writable(); err != nil {
		return nil, nil, err
	}
	return k.element()
}

const (
	maxKey   = 512 // MAX_BPF_STACK
	maxValue = 32 << 20
)

// mapLookup is map_lookup_elem.
func (k *call) mapLookup() error { return k.lookup(false) }

// mapTake is map_lookup_and_delete_elem.
func (k *call) mapTake() error { return k.lookup(true) }

func (k *call) lookup(remove bool) error {
	flags := k.u64(elementFlags)
	if flags&^locked != 0 {
		return refuse("map/lookup-flags", mprog.EINVAL, "flags %#x", flags)
	}
	m, err := k.mapByFD("map_fd", k.u32(elementMap))
	if err != nil {
		return err
	}
	switch {
	case m.flags&writeOnly != 0, remove && (m.flags&readOnly != 0 || m.frozen):
		return refuse("map/mode", mprog.EPERM, "the map was made for the other direction")
	case flags != 0: // BPF_F_LOCK is for values with a spin lock
		return refuse("map/lookup-flags", mprog.EINVAL, "flags %#x", flags)
	}
	_, key, err := k.element()
	if err != nil {
		return err
	}
	if remove && !k.takes(m.typ) {
		return refuse("map/operation", mprog.ENOTSUPP, "maps of type %d have no such operation", m.typ)
	}
	value, err := k.valueOf(m, key, remove)
	if err != nil {
		return err
	}
	if err := k.write(Segment{k.u64(elementValue), bytes.Clone(value)}); err != nil {
		return err
	}
	if remove {
		m.elements.remove(key)
	}
	return nil
}

// takes reports whether elements can be looked up and deleted at once.
func (k *call) takes(t mapType) bool {
	switch t {
	case queueMap, stackMap:
		return true
	case stackTrace:
		return !k.kernel.Running().Before(fake.Version(6, 18))
	}
	return t.hash() && t != hashOfMaps
}

// valueOf is bpf_map_copy_value.
func (k *call) valueOf(m *bpfMap, key []byte, remove bool) (value []byte, err error) {
	switch m.typ {
	case perfEventArray, cgroupArray, ringBuffer, userRingBuffer:
		return nil, refuse("map/operation", mprog.ENOTSUPP, "maps of type %d have no such operation", m.typ)
	case xskMap:
		return nil, refuse("map/operation", mprog.EOPNOTSUPP, "maps of type %d have no such operation", m.typ)
	case arena:
		return nil, refuse("map/operation", mprog.EINVAL, "maps of type %d have no such operation", m.typ)
	case sockMap, sockHash, reusePortArray:
		if m.valueSize != 8 {
			return nil, refuse("map/value", mprog.ENOSPC, "values of %d bytes: cookies of sockets have 8", m.valueSize)
		}
	case skStorage, inodeStorage, taskStorage, cgrpStorage:
		owner, err := k.owner(m, key)
		if err != nil {
			return nil, err
		}
		value = m.stored(owner, nil)
	case bloomFilter:
		value = make([]byte, m.valueSize)
		if err := k.read(k.u64(elementValue), value); err != nil {
			return nil, err
		}
		if m.elements.values[string(value)] == nil {
			return nil, refuse("map/absent", mprog.ENOENT, "no such element")
		}
		return value, nil
	case queueMap, stackMap:
		value = m.elements.pop(remove)
	case lpmTrie:
		if native.Uint32(key) > 8*(m.keySize-4) {
			return nil, refuse("map/absent", mprog.ENOENT, "prefix of %d bits", native.Uint32(key))
		}
		value = m.elements.get(key)
	default:
		value = m.elements.get(key)
	}
	if value == nil {
		return nil, refuse("map/absent", mprog.ENOENT, "no such element")
	}
	return value, nil
}

// mapUpdate is map_update_elem.
func (k *call) mapUpdate() error {
	m, key, err := k.toWrite()
	if err != nil {
		return err
	}
	if m.wide() > maxValue {
		return refuse("map/value", mprog.ENOMEM, "value of %d bytes", m.wide())
	}
	value := make([]byte, m.wide())
	if err := k.read(k.u64(elementValue), value); err != nil {
		return err
	}
	flags := k.u64(elementFlags)
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

func (m *bpfMap) writable() error {
	switch {
	case m.frozen:
		return refuse("map/frozen", mprog.EPERM, "the map is frozen")
	case m.flags&readOnly != 0:
		return refuse("map/mode", mprog.EPERM, "the map was made for the other direction")
	}
	return nil
}

// checkDevice is what __dev_map_update_elem refuses of an element, which may have a
// program that is not simulated.
func (m *bpfMap) checkDevice(key, value []byte, flags uint64) error {
	switch {
	case flags > mustExist:
		return refuse("map/update-flags", mprog.EINVAL, "flags %#x", flags)
	case m.typ == devMap && native.Uint32(key) >= m.entries:
		return refuse("map/index", mprog.E2BIG, "index %d of %d", native.Uint32(key), m.entries)
	case m.typ == devMap && flags == mustBeNew:
		return refuse("map/exists", mprog.EEXIST, "every element of an array exists")
	case len(value) >= 8 && int32(native.Uint32(value[4:])) > 0:
		return fmt.Errorf("programs in maps of devices: %w", mprog.ErrUnsupported)
	}
	return nil
}

// store puts an element; a value that is an fd becomes a reference, and its id
// the value (bpf_fd_array_map_update_elem).
func (k *call) store(m *bpfMap, key, value []byte, flags uint64) error {
	if m.typ == devMap || m.typ == devMapHash {
		if err := m.checkDevice(key, value, flags); err != nil {
			return err
		}
	}
	switch m.typ {
	case perfEventArray:
		return k.storeEvent(m, key, value, flags)
	case ringBuffer, userRingBuffer:
		return refuse("map/operation", mprog.ENOTSUPP, "ring buffers have no elements")
	case arena:
		return refuse("map/operation", mprog.EOPNOTSUPP, "arenas have no elements")
	case stackTrace:
		return refuse("map/operation", mprog.EINVAL, "stacks are put there by programs")
	case cgroupStorage, perCPUCgroup:
		return refuse("map/absent", mprog.ENOENT, "no program is attached with this storage")
	case skStorage, inodeStorage, taskStorage, cgrpStorage:
		return k.storeOwned(m, key, value, flags)
	case cgroupArray:
		return k.storeCgroup(m, key, value, flags)
	}
	if !m.typ.fds() {
		return m.elements.put(key, value, nil, flags)
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
	if want == Map && !m.inner.like(o.m) {
		return refuse("map/inner", mprog.EINVAL, "value %d is a map unlike the one that this map was made with", fd)
	}
	if want == Prog {
		if err := k.own(m, k.programs[o.ID]); err != nil {
			return err
		}
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
	m, key, err := k.toWrite()
	if err != nil {
		return err
	}
	if m.typ.storage() {
		owner, err := k.owner(m, key)
		if err != nil {
			return err
		}
		key = ownerKey(owner)
	}
	return m.delete(key)
}

// delete is the type's map_delete_elem function.
func (m *bpfMap) delete(key []byte) error {
	switch m.typ {
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

// mapNextKey is map_get_next_key.
func (k *call) mapNextKey() error {
	m, err := k.mapByFD("map_fd", k.u32(elementMap))
	if err != nil {
		return err
	}
	if m.flags&writeOnly != 0 {
		return refuse("map/mode", mprog.EPERM, "the map was made for the other direction")
	}
	var key []byte
	if address := k.u64(elementKey); address != 0 {
		if m.keySize == 0 {
			return refuse("map/key", mprog.EINVAL, "the map has no keys")
		}
		key = make([]byte, m.keySize)
		if err := k.read(address, key); err != nil {
			return err
		}
	}
	switch m.typ {
	case ringBuffer, userRingBuffer, skStorage, inodeStorage, taskStorage, cgrpStorage:
		return refuse("map/operation", mprog.ENOTSUPP, "maps of type %d have no keys", m.typ)
	case bloomFilter, arena:
		return refuse("map/operation", mprog.EOPNOTSUPP, "maps of type %d have no keys", m.typ)
	case queueMap, stackMap:
		return refuse("map/operation", mprog.EINVAL, "maps of type %d have no keys", m.typ)
	}
	next := m.elements.next(key)
	if next == nil {
		return refuse("map/absent", mprog.ENOENT, "no key follows")
	}
	return k.write(Segment{k.u64(elementValue), next})
}

// mapFreeze is map_freeze.
func (k *call) mapFreeze() error {
	m, err := k.mapByFD("map_fd", k.u32(0))
	if err != nil {
		return err
	}
	if m.frozen || m.flags&readOnly != 0 {
		return refuse("map/frozen", mprog.EPERM, "the map is frozen already, or cannot be written")
	}
	m.frozen = true
	return nil
}
