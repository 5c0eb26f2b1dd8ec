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
	case hashMap, perCPUHash, lruHash, lruPerCPUHash, hashOfMaps, resizableHash:
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
	reads := number == lookupBatch || number == takeBatch
	m, err := k.openMap(k.u32(batchMap), reads, number != lookupBatch)
	if err != nil {
		return err
	}
	if !m.typ.batches(number) {
		return refuse("map/operation", mprog.ENOTSUPP, "maps of type %d have no %s", m.typ, k.Command)
	}
	if err := k.opFlags(m, k.u64(batchElements), m.typ.batchFlags(number)); err != nil {
		return err
	}
	if m.typ.hash() && reads && k.u64(batchFlags) != 0 {
		return refuse("map/batch-flags", mprog.EINVAL, "flags %#x", k.u64(batchFlags))
	}
	count := k.u32(batchCount)
	if count == 0 {
		return nil
	}
	if err := k.put(batchCount, 0); err != nil {
		return err
	}
	switch {
	case !reads:
		return k.changeBatch(m, number, count)
	case m.typ == resizableHash:
		return k.readResizable(m, number == takeBatch, count)
	case m.typ.hash():
		return k.readBuckets(m, number == takeBatch, count)
	}
	return k.readBatch(m, count)
}

// batchFlags are the flags of elements that a command on batches takes.
func (t mapType) batchFlags(number uint32) uint32 {
	switch {
	case number == updateBatch:
		return locked | oneCPU | allCPUs
	case number == lookupBatch && (t.perCPU() || !t.hash()):
		return locked | oneCPU
	}
	return locked
}

// changeBatch is generic_map_update_batch and generic_map_delete_batch: it ends at the
// first that fails, and tells how many did not.
func (k *call) changeBatch(m *bpfMap, number, count uint32) (failed error) {
	flags := k.u64(batchElements)
	key, value := make([]byte, m.keySize), make([]byte, m.span(flags))
	done := uint32(0)
	for ; done < count && failed == nil; done++ {
		if failed = k.read(k.u64(batchKeys)+uint64(done)*uint64(m.keySize), key); failed != nil {
			break
		}
		if number == deleteBatch {
			failed = k.delete(m, key)
		} else if failed = k.read(k.u64(batchValues)+uint64(done)*uint64(len(value)), value); failed == nil {
			failed = k.update(m, bytes.Clone(key), bytes.Clone(value), flags)
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

// writeBatch writes an element of a batch; at is how many came before it.
func (k *call) writeBatch(m *bpfMap, at uint32, key, value []byte) error {
	value = m.narrow(value, k.u64(batchElements))
	return k.write(Segment{k.u64(batchKeys) + uint64(at)*uint64(m.keySize), key},
		Segment{k.u64(batchValues) + uint64(at)*uint64(len(value)), value})
}

// readBuckets is __htab_map_lookup_and_delete_batch: in_batch and out_batch are the
// number of a bucket, of which each element has its own here, in the order in which
// they were put there.
func (k *call) readBuckets(m *bpfMap, remove bool, count uint32) error {
	at, last := uint32(0), m.elements.order.made
	if from := k.u64(batchIn); from != 0 {
		var p [4]byte
		if err := k.read(from, p[:]); err != nil {
			return err
		}
		if at = native.Uint32(p[:]); at >= max(last, 1) {
			return refuse("map/absent", mprog.ENOENT, "in_batch %d is behind the last bucket", at)
		}
	}
	done, e, err := k.batchFrom(m, m.elements.order.from(at), remove, count)
	if err != nil {
		return err
	}
	at = max(last, 1)
	if e != nil {
		at = e.number
	}
	if err := k.write(Segment{k.u64(batchOut), native.AppendUint32(nil, at)}); err != nil {
		return err
	}
	if err := k.put(batchCount, done); err != nil {
		return err
	}
	if e == nil {
		return refuse("map/absent", mprog.ENOENT, "the map's last elements")
	}
	return nil
}

// batchFrom writes up to count elements from one on, and returns how many, and the next.
func (k *call) batchFrom(m *bpfMap, e *element, remove bool, count uint32) (done uint32, next *element, err error) {
	for ; done < count && e != nil; done++ {
		if err := k.writeBatch(m, done, []byte(e.key), e.value); err != nil {
			return done, e, err
		}
		next := m.elements.order.next(e, false)
		if remove {
			m.elements.remove([]byte(e.key))
		}
		e = next
	}
	return done, e, nil
}

// readResizable is __rhtab_map_lookup_and_delete_batch: in_batch and out_batch are the
// key of the element to go on with.
func (k *call) readResizable(m *bpfMap, remove bool, count uint32) error {
	e := m.elements.order.next(nil, false)
	if from := k.u64(batchIn); from != 0 {
		key := make([]byte, m.keySize)
		if err := k.read(from, key); err != nil {
			return err
		}
		if e = m.elements.values[string(key)]; e == nil {
			return refuse("map/cursor", mprog.EAGAIN, "the element to go on with is gone")
		}
	}
	done, e, err := k.batchFrom(m, e, remove, count)
	if err != nil {
		return err
	}
	if done > 0 {
		if err := k.put(batchCount, done); err != nil {
			return err
		}
	}
	if e == nil {
		return refuse("map/absent", mprog.ENOENT, "the map's last elements")
	}
	return k.write(Segment{k.u64(batchOut), []byte(e.key)})
}
