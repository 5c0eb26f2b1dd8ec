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
	vmlinux   uint32 // btf_vmlinux_value_type_id

	inner *bpfMap // of a map of maps: what those within are like
	owner *owner  // of a prog_array, once a program is in it or uses it

	special   special // of values that are more than bytes
	exclusive []byte  // the hash of the program that alone may use it, nil: any may

	ops      *operations // of a map of type struct_ops
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
	cpuMap         mapType = 16
	xskMap         mapType = 17
	cgroupStorage  mapType = 19
	reusePortArray mapType = 20
	skStorage      mapType = 24
	inodeStorage   mapType = 28
	taskStorage    mapType = 29
	bloomFilter    mapType = 30
	cgrpStorage    mapType = 32
	arena          mapType = 33
	insnArray      mapType = 34
	resizableHash  mapType = 35
)

func (t mapType) array() bool {
	switch t {
	case arrayMap, progArray, perfEventArray, perCPUArray, cgroupArray, arrayOfMaps, insnArray:
		return true
	}
	return false
}

func (t mapType) hash() bool {
	switch t {
	case hashMap, perCPUHash, lruHash, lruPerCPUHash, hashOfMaps, resizableHash:
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

// indexed reports whether keys are numbers below the number of entries.
func (t mapType) indexed() bool {
	switch t {
	case devMap, cpuMap, xskMap, sockMap, reusePortArray:
		return true
	}
	return t.array()
}

// fds reports whether values are fds of programs or maps, and ids when read.
func (t mapType) fds() bool { return t == progArray || t.outer() }

// storage reports whether values are those of sockets, tasks and others, by their fds.
func (t mapType) storage() bool {
	switch t {
	case skStorage, inodeStorage, taskStorage, cgrpStorage:
		return true
	}
	return false
}

func (t mapType) outer() bool { return t == arrayOfMaps || t == hashOfMaps }

// object is an fd's for the map, which can be read and written but for what the flags
// say, readOnly or writeOnly.
func (m *bpfMap) object(flags uint32) *Object {
	return &Object{Kind: Map, ID: m.id, sim: m.sim, m: m, only: flags & (readOnly | writeOnly)}
}

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
	m, _, err := k.mapAndFD(what, fd)
	return m, err
}

// mapAndFD is mapByFD, and what the fd refers to.
func (k *call) mapAndFD(what string, fd uint32) (*bpfMap, *Object, error) {
	o, open := k.caller.Object(fd)
	switch {
	case !open:
		return nil, nil, refuse("map/bad-fd", mprog.EBADF, "%s %d is not open", what, int32(fd))
	case o == nil || o.Kind != Map:
		return nil, nil, refuse("map/not-a-map", mprog.EINVAL, "%s %d is no map", what, int32(fd))
	}
	return o.m, o, nil
}

// openMap finds the map behind an fd by which it can be read, written or both
// (map_get_sys_perms).
func (k *call) openMap(fd uint32, reads, writes bool) (*bpfMap, error) {
	m, o, err := k.mapAndFD("map_fd", fd)
	switch {
	case err != nil:
		return nil, err
	case writes && m.frozen:
		return nil, refuse("map/frozen", mprog.EPERM, "the map is frozen")
	case reads && o.only&writeOnly != 0, writes && o.only&readOnly != 0:
		return nil, refuse("map/mode", mprog.EPERM, "fd %d is open for the other direction", fd)
	}
	return m, nil
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
