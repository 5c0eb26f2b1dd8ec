package sim

import (
	"fmt"

	"github.com/nkconform/nkconform/mprog"
)

// bpfMap is a map.
type bpfMap struct {
	sim  *Sim
	id   uint32
	refs int // of fds, pins, programs and maps of maps

	typ       mapType
	keySize   uint32
	valueSize uint32
	entries   uint32
	flags     uint32
	extra     uint64
	name      [nameSize]byte
	frozen    bool
	btf       *btf
	keyType   uint32 // btf_key_type_id
	valueType uint32 // btf_value_type_id

	elements elements
	memory   Memory // of a map that can be mapped
}

// mapType is enum bpf_map_type.
type mapType uint32

// The types that have rules of their own here.
const (
	hashMap        mapType = 1
	arrayMap       mapType = 2
	progArray      mapType = 3
	perfEventArray mapType = 4
	perCPUHash     mapType = 5
	perCPUArray    mapType = 6
	stackTrace     mapType = 7
	sockMap        mapType = 15
	sockHash       mapType = 18
	structOpsMap   mapType = 26
	cgroupArray    mapType = 8
	lruHash        mapType = 9
	lruPerCPUHash  mapType = 10
	lpmTrie        mapType = 11
	arrayOfMaps    mapType = 12
	hashOfMaps     mapType = 13
	devMap         mapType = 14
	queueMap       mapType = 22
	stackMap       mapType = 23
	perCPUCgroup   mapType = 21
	devMapHash     mapType = 25
	ringBuffer     mapType = 27
	userRingBuffer mapType = 31
	lastMapType    mapType = 33 // BPF_MAP_TYPE_ARENA
)

// Flags of BPF_MAP_CREATE.
const (
	noPrealloc = 1 << 0  // BPF_F_NO_PREALLOC
	numaNode   = 1 << 2  // BPF_F_NUMA_NODE
	readOnly   = 1 << 3  // BPF_F_RDONLY
	writeOnly  = 1 << 4  // BPF_F_WRONLY
	zeroSeed   = 1 << 6  // BPF_F_ZERO_SEED
	readProg   = 1 << 7  // BPF_F_RDONLY_PROG
	writeProg  = 1 << 8  // BPF_F_WRONLY_PROG
	preserve   = 1 << 11 // BPF_F_PRESERVE_ELEMS
	mmapable   = 1 << 10 // BPF_F_MMAPABLE
	innerMap   = 1 << 12 // BPF_F_INNER_MAP

	accessFlags = readOnly | writeOnly | readProg | writeProg
)

func (t mapType) array() bool {
	switch t {
	case arrayMap, progArray, perfEventArray, perCPUArray, cgroupArray, arrayOfMaps:
		return true
	}
	return false
}

func (t mapType) perCPU() bool {
	switch t {
	case perCPUHash, perCPUArray, lruPerCPUHash, perCPUCgroup:
		return true
	}
	return false
}

// fds reports whether values are fds of programs or maps, and ids when read.
func (t mapType) fds() bool { return t == progArray || t.outer() }

func (t mapType) outer() bool { return t == arrayOfMaps || t == hashOfMaps }

func (m *bpfMap) object() *Object { return &Object{Kind: Map, ID: m.id, sim: m.sim, m: m} }

func (s *Sim) putMap(m *bpfMap) {
	if m.refs--; m.refs > 0 {
		return
	}
	delete(s.maps.byID, m.id)
	if m.btf != nil {
		s.putBTF(m.btf)
	}
	if m.memory != nil {
		_ = m.memory.Close() // nothing can be done, and nobody asks
	}
	for _, held := range m.elements.drop() {
		held.close()
	}
}

// mapByFD finds the map behind an fd (bpf_map_get).
func (k *call) mapByFD(what string, fd uint32) (*bpfMap, error) {
	o, open := k.caller.Object(fd)
	switch {
	case !open:
		return nil, refuse("map/bad-fd", mprog.EBADF, "%s %d is not open", what, int32(fd))
	case o == nil || o.Kind != Map:
		return nil, refuse("map/not-a-map", mprog.EINVAL, "%s %d is no map", what, int32(fd))
	}
	return o.m, nil
}

// Where BPF_MAP_CREATE has its fields.
const (
	createInner     = 20
	createName      = 28
	createBTF       = 48
	createKeyType   = 52
	createValueType = 56
	createExtra     = 64
)

// mapCreate is map_create with the checks of the common types.
func (k *call) mapCreate() (err error) {
	m := &bpfMap{
		sim: k.Sim, refs: 1,
		typ: mapType(k.u32(0)), keySize: k.u32(4), valueSize: k.u32(8), entries: k.u32(12), flags: k.u32(16),
		keyType: k.u32(createKeyType), valueType: k.u32(createValueType), extra: k.u64(createExtra),
	}
	if m.typ == 0 || m.typ > lastMapType {
		return refuse("map/type", mprog.EINVAL, "no map type has number %d", m.typ)
	}
	if m.name, err = objectName(k.attr[createName : createName+nameSize]); err != nil {
		return err
	}
	if err := k.needBPF(); err != nil && m.typ != arrayMap && m.typ != hashMap {
		return err
	}
	if err := m.check(); err != nil {
		return err
	}
	if m.typ.outer() {
		if _, err := k.mapByFD("inner_map_fd", k.u32(createInner)); err != nil {
			return err
		}
	}
	if m.keyType != 0 || m.valueType != 0 {
		if m.valueType == 0 {
			return refuse("map/btf", mprog.EINVAL, "btf_key_type_id %d without btf_value_type_id", m.keyType)
		}
		if m.btf, err = k.btfByFD("btf_fd", k.u32(createBTF)); err != nil {
			return err
		}
	}
	if err := k.allocate(m); err != nil {
		return err
	}
	if m.btf != nil {
		m.btf.refs++
	}
	m.id = k.maps.add(m)
	k.New = m.object()
	return nil
}

// check is what the types' map_alloc_check functions refuse.
func (m *bpfMap) check() error {
	known := uint32(noPrealloc | numaNode | accessFlags | mmapable | innerMap | zeroSeed | preserve)
	bad := func(rule mprog.Rule, what string) error {
		return refuse(rule, mprog.EINVAL, "%s: type %d, key_size %d, value_size %d, max_entries %d, flags %#x",
			what, m.typ, m.keySize, m.valueSize, m.entries, m.flags)
	}
	if m.flags&(readProg|writeProg) == readProg|writeProg || m.flags&(readOnly|writeOnly) == readOnly|writeOnly {
		return bad("map/flags", "read-only and write-only")
	}
	switch {
	case m.typ.array():
		if m.entries == 0 || m.keySize != 4 || m.valueSize == 0 || m.typ != arrayMap && !m.typ.perCPU() && m.valueSize != 4 {
			return bad("map/array", "no shape of an array")
		}
		if m.flags&noPrealloc != 0 || m.flags&mmapable != 0 && m.typ != arrayMap {
			return bad("map/flags", "flags no array takes")
		}
	case m.typ == hashMap, m.typ == perCPUHash, m.typ == lruHash, m.typ == lruPerCPUHash, m.typ == hashOfMaps:
		if m.entries == 0 || m.keySize == 0 || m.valueSize == 0 || m.typ == hashOfMaps && m.valueSize != 4 {
			return bad("map/hash", "no shape of a hash")
		}
		if m.flags&(mmapable|innerMap) != 0 || (m.typ == lruHash || m.typ == lruPerCPUHash) && m.flags&noPrealloc != 0 {
			return bad("map/flags", "flags no hash takes")
		}
	case m.typ == lpmTrie:
		if m.entries == 0 || m.flags&noPrealloc == 0 || m.keySize < 5 || m.keySize > 260 || m.valueSize == 0 {
			return bad("map/trie", "no shape of a trie")
		}
	case m.typ == queueMap, m.typ == stackMap:
		if m.entries == 0 || m.keySize != 0 || m.valueSize == 0 {
			return bad("map/queue", "no shape of a queue")
		}
	case m.typ == ringBuffer, m.typ == userRingBuffer:
		if m.keySize != 0 || m.valueSize != 0 || m.entries == 0 || m.entries&(m.entries-1) != 0 || m.entries%pageSize != 0 {
			return bad("map/ring-buffer", "no shape of a ring buffer")
		}
		return nil
	default:
		return nil
	}
	if m.flags&^known != 0 {
		return bad("map/flags", "unknown flags")
	}
	return nil
}

// maxMapped limits the memory of one map that can be mapped.
const maxMapped = 1 << 30

// allocate makes the elements, and the memory of a map that can be mapped. A ring
// buffer's pages are two for positions, one each for consumer and producer, and
// the data.
func (k *call) allocate(m *bpfMap) (err error) {
	m.elements = newElements(m)
	size := uint64(0)
	switch {
	case m.flags&mmapable != 0 && m.typ == arrayMap:
		size = uint64(round8(m.valueSize)) * uint64(m.entries)
	case m.typ == ringBuffer, m.typ == userRingBuffer:
		size = 2*pageSize + 2*uint64(m.entries)
	default:
		return nil
	}
	if size > maxMapped {
		return refuse("map/memory", mprog.ENOMEM, "%d bytes: the simulation has %d for a map", size, maxMapped)
	}
	if k.memory == nil {
		return fmt.Errorf("maps that can be mapped: %w", mprog.ErrUnsupported)
	}
	size = (size + pageSize - 1) &^ (pageSize - 1)
	if m.memory, err = k.Sim.memory(int(size)); err != nil {
		return refuse("map/memory", mprog.ENOMEM, "%v", err)
	}
	return nil
}

func round8(n uint32) uint32 { return (n + 7) &^ 7 }

// wide is how many bytes a value has to user space.
func (m *bpfMap) wide() uint32 {
	if m.typ.perCPU() {
		return round8(m.valueSize) * uint32(m.sim.cpus)
	}
	return m.valueSize
}
