package sim

import (
	"bytes"
	"fmt"

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
	if m.keySize > maxKey {
		return nil, nil, refuse("map/key", mprog.E2BIG, "key of %d bytes", m.keySize)
	}
	key = make([]byte, m.keySize)
	return m, key, k.read(k.u64(elementKey), key)
}

const (
	maxKey   = 512 // MAX_BPF_STACK
	maxValue = 32 << 20
)

// mapLookup is map_lookup_elem.
func (k *call) mapLookup() error {
	if flags := k.u64(elementFlags); flags&^locked != 0 {
		return refuse("map/lookup-flags", mprog.EINVAL, "flags %#x", flags)
	}
	return k.lookup(false)
}

// mapTake is map_lookup_and_delete_elem.
func (k *call) mapTake() error { return k.lookup(true) }

func (k *call) lookup(remove bool) error {
	m, key, err := k.element()
	if err != nil {
		return err
	}
	if m.flags&writeOnly != 0 || remove && m.flags&readOnly != 0 {
		return refuse("map/mode", mprog.EPERM, "the map was made for the other direction")
	}
	if remove && (m.typ.array() || m.typ.fds() || m.typ == lpmTrie) || m.typ == perfEventArray || m.typ == cgroupArray ||
		m.typ == ringBuffer || m.typ == userRingBuffer {
		return refuse("map/operation", mprog.ENOTSUPP, "maps of type %d have no such operation", m.typ)
	}
	var value []byte
	if m.typ == queueMap || m.typ == stackMap {
		value = m.elements.pop(remove)
	} else {
		value = m.elements.get(key)
	}
	if value == nil {
		return refuse("map/absent", mprog.ENOENT, "no such element")
	}
	if err := k.write(Segment{k.u64(elementValue), bytes.Clone(value)}); err != nil {
		return err
	}
	if remove {
		m.elements.remove(key)
	}
	return nil
}

// mapUpdate is map_update_elem.
func (k *call) mapUpdate() error {
	m, key, err := k.element()
	if err != nil {
		return err
	}
	if err := m.writable(); err != nil {
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
	if m.typ == queueMap || m.typ == stackMap {
		return m.elements.push(value, flags)
	}
	return k.store(m, key, value, flags)
}

func (m *bpfMap) writable() error {
	switch {
	case m.frozen:
		return refuse("map/frozen", mprog.EPERM, "the map is frozen")
	case m.flags&readOnly != 0:
		return refuse("map/mode", mprog.EPERM, "the map was made for the other direction")
	case m.typ == ringBuffer || m.typ == userRingBuffer:
		return refuse("map/operation", mprog.ENOTSUPP, "ring buffers have no elements")
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
	if !m.typ.fds() {
		return m.elements.put(key, value, nil, flags)
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
	m, key, err := k.element()
	if err != nil {
		return err
	}
	if err := m.writable(); err != nil {
		return err
	}
	switch {
	case m.typ == queueMap, m.typ == stackMap, m.typ.array() && !m.typ.fds():
		return refuse("map/operation", mprog.EINVAL, "maps of type %d keep their elements", m.typ)
	case !m.elements.remove(key):
		return refuse("map/absent", mprog.ENOENT, "no such element")
	}
	return nil
}

// mapNextKey is map_get_next_key.
func (k *call) mapNextKey() error {
	m, err := k.mapByFD("map_fd", k.u32(elementMap))
	if err != nil {
		return err
	}
	if m.keySize == 0 || m.keySize > maxKey {
		return refuse("map/operation", mprog.EINVAL, "maps of type %d have no keys", m.typ)
	}
	var key []byte
	if address := k.u64(elementKey); address != 0 {
		key = make([]byte, m.keySize)
		if err := k.read(address, key); err != nil {
			return err
		}
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
	if m.frozen {
		return refuse("map/frozen", mprog.EBUSY, "the map is frozen already")
	}
	m.frozen = true
	return nil
}

// mapBatch says of every map what kernels say of those without batches.
func (k *call) mapBatch() error {
	if _, err := k.mapByFD("map_fd", k.u32(36)); err != nil {
		return err
	}
	return refuse("map/operation", mprog.ENOTSUPP, "batches of elements are not simulated")
}
