package sim

import (
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

// key reads the key of a command on elements.
func (k *call) key(m *bpfMap) (key []byte, err error) {
	if m.keySize == 0 {
		if k.u64(elementKey) != 0 {
			return nil, refuse("map/key", mprog.EINVAL, "the map has no keys")
		}
		return nil, nil
	}
	key = make([]byte, m.keySize)
	return key, k.read(k.u64(elementKey), key)
}

const (
	maxKey   = 512 // MAX_BPF_STACK
	maxValue = 32 << 20
)

// mapLookup is map_lookup_elem.
func (k *call) mapLookup() error {
	flags := k.u64(elementFlags)
	if !k.cpuFlags() && flags&^locked != 0 {
		return refuse("map/op-flags", mprog.EINVAL, "flags %#x", flags)
	}
	m, err := k.openMap(k.u32(elementMap), true, false)
	if err != nil {
		return err
	}
	if err := k.opFlags(m, flags, locked|oneCPU); err != nil {
		return err
	}
	key, err := k.key(m)
	if err != nil {
		return err
	}
	value, err := k.valueOf(m, key, false)
	if err != nil {
		return err
	}
	return k.write(Segment{k.u64(elementValue), m.narrow(value, flags)})
}

// mapTake is map_lookup_and_delete_elem.
func (k *call) mapTake() error {
	flags := k.u64(elementFlags)
	if flags&^locked != 0 {
		return refuse("map/op-flags", mprog.EINVAL, "flags %#x", flags)
	}
	m, err := k.openMap(k.u32(elementMap), true, true)
	if err != nil {
		return err
	}
	if flags != 0 && !m.special.lock {
		return refuse("map/op-flags", mprog.EINVAL, "BPF_F_LOCK for values without a lock")
	}
	key, err := k.key(m)
	if err != nil {
		return err
	}
	if !k.takes(m.typ) {
		return refuse("map/operation", mprog.ENOTSUPP, "maps of type %d have no such operation", m.typ)
	}
	value, err := k.valueOf(m, key, true)
	if err != nil {
		return err
	}
	if m.typ != queueMap && m.typ != stackMap {
		value = m.narrow(value, 0)
		m.elements.remove(key)
	}
	return k.write(Segment{k.u64(elementValue), value})
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
	case structOpsMap:
		return m.lookupOps(key)
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

// mapNextKey is map_get_next_key.
func (k *call) mapNextKey() error {
	m, err := k.openMap(k.u32(elementMap), true, false)
	if err != nil {
		return err
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
	if m.ops != nil && (key == nil || native.Uint32(key) != 0) {
		next = make([]byte, 4)
	}
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
	if len(m.special.fields) > 0 {
		return refuse("map/freeze", mprog.ENOTSUPP, "values have locks or timers")
	}
	if _, err := k.openMap(k.u32(0), false, true); err != nil {
		return err
	}
	m.frozen = true
	return nil
}
