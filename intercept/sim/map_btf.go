package sim

import (
	"cmp"
	"slices"

	"github.com/nkconform/nkconform/mprog"
)

// checkBTF is map_check_btf: whether the types that a map was made with are those of its
// keys and values. Of special fields it sees those that are structures of their own, not
// pointers.
func (k *call) checkBTF(m *bpfMap) error {
	bad := func(what string) error {
		return refuse("map/btf", mprog.EINVAL, "%s: key type %d, value type %d of a map of type %d", what, m.keyType, m.valueType, m.typ)
	}
	var key btfType
	if m.keyType != 0 {
		t, size, ok := m.btf.sized(m.keyType)
		if !ok || size != m.keySize {
			return bad("the key's size is another")
		}
		key = t
	} else if k.keyed(m.typ) {
		return bad("no type of keys")
	}
	value, size, ok := m.btf.sized(m.valueType)
	if !ok || size != m.valueSize {
		return bad("the value's size is another")
	}
	m.special = m.btf.special(value)
	if err := k.checkSpecial(m); err != nil {
		return err
	}
	switch m.typ {
	case perfEventArray, cgroupArray, stackTrace, arrayOfMaps, hashOfMaps, devMap, devMapHash, cpuMap, sockMap, sockHash, xskMap:
		return refuse("map/btf", mprog.ENOTSUPP, "maps of type %d have no types", m.typ)
	case arrayMap, perCPUArray:
		if key.kind == 0 && (m.entries != 1 || value.kind != btfSection || m.typ == perCPUArray && !k.cpuFlags()) {
			return bad("only a section of data has no key")
		}
		if key.kind != 0 && !key.wholeInt(4) {
			return bad("keys are integers of 4 bytes")
		}
	case insnArray, skStorage, inodeStorage, taskStorage, cgrpStorage:
		if !key.wholeInt(4) {
			return bad("keys are integers of 4 bytes")
		}
	case lpmTrie:
		if key.kind != btfStruct {
			return bad("keys are structures")
		}
	case bloomFilter:
		if key.kind != 0 {
			return bad("there are no keys")
		}
	case cgroupStorage, perCPUCgroup:
		if !m.btf.storageKey(key, m.keySize) {
			return bad("keys are a cgroup's id, or that and an attach type")
		}
	}
	return nil
}

// keyed reports whether maps of a type cannot have a type of values alone.
func (k *call) keyed(t mapType) bool {
	switch t {
	case progArray, reusePortArray, queueMap, stackMap, ringBuffer, userRingBuffer, structOpsMap, resizableHash:
		return true
	case hashMap, perCPUHash, lruHash, lruPerCPUHash:
		return !k.release.KeylessHash
	}
	return false
}

// storageKey is cgroup_storage_check_btf.
func (b *btf) storageKey(key btfType, size uint32) bool {
	if size == 8 {
		return key.wholeInt(8)
	}
	if key.kind != btfStruct || key.count != 2 {
		return false
	}
	for i, want := range []struct{ offset, size uint32 }{{0, 8}, {64, 4}} {
		part := key.members()[i]
		if t, _, ok := b.sized(part.typ); !ok || part.offset != want.offset || !t.wholeInt(want.size) {
			return false
		}
	}
	return true
}

// specialFields are the structures that have rules, and whether each is a lock.
var specialFields = map[string]bool{
	"bpf_spin_lock": true, "bpf_res_spin_lock": true, "bpf_timer": false, "bpf_wq": false, "bpf_task_work": false,
	"bpf_list_head": false, "bpf_rb_root": false,
}

// special are a value's (btf_parse_fields).
func (b *btf) special(value btfType) (found special) {
	b.findSpecial(value, 0, &found, maxBTFDepth)
	slices.SortFunc(found.fields, func(x, y span) int { return cmp.Compare(x.offset, y.offset) })
	return found
}

func (b *btf) findSpecial(value btfType, at uint32, found *special, depth int) {
	if depth == 0 || value.kind != btfStruct && value.kind != btfSection {
		return
	}
	for _, m := range value.members() {
		t, size, ok := b.sized(m.typ)
		offset := at + m.offset/8
		if value.kind == btfSection { // offset and size, in bytes
			offset = m.offset
		}
		if !ok || t.kind != btfStruct {
			continue
		}
		lock, rules := specialFields[t.name]
		if !rules {
			if value.kind != btfSection { // Linux 7.3 maps sections whose variables have locks in them
				b.findSpecial(t, offset, found, depth-1)
			}
			continue
		}
		found.lock = found.lock || t.name == "bpf_spin_lock"
		found.locks = found.locks || lock
		found.others = found.others || !lock
		found.fields = append(found.fields, span{offset, size})
	}
}

// checkSpecial is which maps may have special fields.
func (k *call) checkSpecial(m *bpfMap) error {
	if len(m.special.fields) == 0 {
		return nil
	}
	if err := k.needBPF(); err != nil {
		return err
	}
	if m.flags&(readProg|writeProg) != 0 {
		return refuse("map/btf", mprog.EACCES, "programs must be able to read and write values with locks or timers")
	}
	ok := false
	switch m.typ {
	case hashMap, arrayMap, resizableHash:
		ok = true
	case lruHash:
		ok = !m.special.locks
	case cgroupStorage, skStorage, inodeStorage, taskStorage, cgrpStorage:
		ok = !m.special.others
	}
	if !ok {
		return refuse("map/btf", mprog.EOPNOTSUPP, "maps of type %d have no values with locks or timers", m.typ)
	}
	return nil
}
