package sim

import (
	"bytes"

	"github.com/nkconform/nkconform/mprog"
)

// Where the commands on batches of elements have their fields.
const (
	batchIn       = 0
	batchOut      = 8
	batchKeys     = 16
	batchValues   = 24
	batchCount    = 32
	batchMap      = 36
	batchElements = 40 // elem_flags
	batchFlags    = 48
)

// The commands' numbers.
const (
	lookupBatch = 24
	takeBatch   = 25 // BPF_MAP_LOOKUP_AND_DELETE_BATCH
	updateBatch = 26
	deleteBatch = 27
)

// batches reports whether maps of a type have a command on batches.
func (t mapType) batches(number uint32) bool {
	switch t {
	case hashMap, perCPUHash, lruHash, lruPerCPUHash, hashOfMaps:
		return true
	case lpmTrie:
		return number != takeBatch
	case arrayMap, perCPUArray, arrayOfMaps:
		return number == lookupBatch || number == updateBatch
	}
	return false
}

func (k *call) mapLookupBatch() error { return k.mapBatch(lookupBatch) }
func (k *call) mapTakeBatch() error   { return k.mapBatch(takeBatch) }
func (k *call) mapUpdateBatch() error { return k.mapBatch(updateBatch) }
func (k *call) mapDeleteBatch() error { return k.mapBatch(deleteBatch) }

// mapBatch is bpf_map_do_batch.
func (k *call) mapBatch(number uint32) error {
	m, err := k.mapByFD("map_fd", k.u32(batchMap))
	if err != nil {
		return err
	}
	reads, writes := number == lookupBatch || number == takeBatch, number != lookupBatch
	switch {
	case reads && m.flags&writeOnly != 0, writes && (m.flags&readOnly != 0 || m.frozen):
		return refuse("map/mode", mprog.EPERM, "the map was made for the other direction, or is frozen")
	case !m.typ.batches(number):
		return refuse("map/operation", mprog.ENOTSUPP, "maps of type %d have no %s", m.typ, k.Command)
	case k.u64(batchElements) != 0: // BPF_F_LOCK is for values with a spin lock
		return refuse("map/batch-flags", mprog.EINVAL, "elem_flags %#x", k.u64(batchElements))
	case m.typ.hash() && reads && k.u64(batchFlags) != 0:
		return refuse("map/batch-flags", mprog.EINVAL, "flags %#x", k.u64(batchFlags))
	}
	count := k.u32(batchCount)
	if count == 0 {
		return nil
	}
	if !reads {
		return k.changeBatch(m, number, count)
	}
	if err := k.put(batchCount, 0); err != nil {
		return err
	}
	if m.typ.hash() {
		return k.readBuckets(m, number == takeBatch, count)
	}
	return k.readBatch(m, count)
}

// changeBatch is generic_map_update_batch and generic_map_delete_batch: it ends at the
// first that fails, and tells how many did not.
func (k *call) changeBatch(m *bpfMap, number, count uint32) (failed error) {
	key, value := make([]byte, m.keySize), make([]byte, m.wide())
	done := uint32(0)
	for ; done < count && failed == nil; done++ {
		if failed = k.read(k.u64(batchKeys)+uint64(done)*uint64(m.keySize), key); failed != nil {
			break
		}
		if number == deleteBatch {
			failed = m.delete(key)
		} else if failed = k.read(k.u64(batchValues)+uint64(done)*uint64(m.wide()), value); failed == nil {
			failed = k.store(m, bytes.Clone(key), bytes.Clone(value), k.u64(batchElements))
		}
		if failed != nil {
			break
		}
	}
	if err := k.put(batchCount, done); err != nil {
		return err
	}
	return failed
}

// readBatch is generic_map_lookup_batch: in_batch and out_batch are keys.
func (k *call) readBatch(m *bpfMap, count uint32) error {
	var before []byte
	if at := k.u64(batchIn); at != 0 {
		before = make([]byte, m.keySize)
		if err := k.read(at, before); err != nil {
			return err
		}
	}
	done := uint32(0)
	var last error
	for done < count {
		key := m.elements.next(before)
		if key == nil {
			last = refuse("map/absent", mprog.ENOENT, "no key follows")
			break
		}
		before = key
		value := m.elements.get(key)
		if value == nil {
			continue
		}
		if err := k.writeBatch(m, done, key, value); err != nil {
			return err
		}
		done++
	}
	if err := k.put(batchCount, done); err != nil {
		return err
	}
	if done > 0 {
		if err := k.write(Segment{k.u64(batchOut), before}); err != nil {
			return err
		}
	}
	return last
}

func (k *call) writeBatch(m *bpfMap, at uint32, key, value []byte) error {
	return k.write(Segment{k.u64(batchKeys) + uint64(at)*uint64(m.keySize), key},
		Segment{k.u64(batchValues) + uint64(at)*uint64(len(value)), bytes.Clone(value)})
}

// readBuckets is __htab_map_lookup_and_delete_batch: in_batch and out_batch are the
// number of a bucket, of which each element has its own here, in the order in which
// they were put there.
func (k *call) readBuckets(m *bpfMap, remove bool, count uint32) error {
	at := uint32(0)
	if from := k.u64(batchIn); from != 0 {
		var p [4]byte
		if err := k.read(from, p[:]); err != nil {
			return err
		}
		at = native.Uint32(p[:])
	}
	done := uint32(0)
	for done < count && uint64(at) < uint64(len(m.elements.order)) {
		key := []byte(m.elements.order[at])
		if err := k.writeBatch(m, done, key, m.elements.get(key)); err != nil {
			return err
		}
		done++
		if remove {
			m.elements.remove(key)
			continue
		}
		at++
	}
	if err := k.put(batchCount, done); err != nil {
		return err
	}
	if err := k.write(Segment{k.u64(batchOut), native.AppendUint32(nil, at)}); err != nil {
		return err
	}
	if uint64(at) >= uint64(len(m.elements.order)) {
		return refuse("map/absent", mprog.ENOENT, "the map's last elements")
	}
	return nil
}
