package sim

import (
	"math"

	"github.com/nkconform/nkconform/fake"
	"github.com/nkconform/nkconform/mprog"
)

// Where BPF_MAP_CREATE has its fields.
const (
	createInner     = 20
	createNUMA      = 24
	createName      = 28
	createIfindex   = 44
	createBTF       = 48
	createKeyType   = 52
	createValueType = 56
	createVMLinux   = 60 // btf_vmlinux_value_type_id
	createExtra     = 64
	createToken     = 76 // map_token_fd
)

// Flags of BPF_MAP_CREATE.
const (
	noPrealloc  = 1 << 0  // BPF_F_NO_PREALLOC
	noCommonLRU = 1 << 1  // BPF_F_NO_COMMON_LRU
	numaNode    = 1 << 2  // BPF_F_NUMA_NODE
	readOnly    = 1 << 3  // BPF_F_RDONLY
	writeOnly   = 1 << 4  // BPF_F_WRONLY
	buildID     = 1 << 5  // BPF_F_STACK_BUILD_ID
	zeroSeed    = 1 << 6  // BPF_F_ZERO_SEED
	readProg    = 1 << 7  // BPF_F_RDONLY_PROG
	writeProg   = 1 << 8  // BPF_F_WRONLY_PROG
	cloned      = 1 << 9  // BPF_F_CLONE
	mmapable    = 1 << 10 // BPF_F_MMAPABLE
	preserve    = 1 << 11 // BPF_F_PRESERVE_ELEMS
	innerMap    = 1 << 12 // BPF_F_INNER_MAP
	segvOnFault = 1 << 17 // BPF_F_SEGV_ON_FAULT
	noUserConv  = 1 << 18 // BPF_F_NO_USER_CONV
	overwrite   = 1 << 19 // BPF_F_RB_OVERWRITE

	accessFlags = readOnly | writeOnly | readProg | writeProg
)

// What kernels allocate at most.
const (
	maxAllocation = 1 << 22                        // KMALLOC_MAX_SIZE
	hashElement   = 48                             // sizeof(struct htab_elem), Linux 6.18
	maxPerCPU     = 32 << 10                       // PCPU_MIN_UNIT_SIZE
	maxStack      = 127                            // kernel.perf_event_max_stack
	maxTrieValue  = maxAllocation - (4 + 256) - 40 // LPM_VAL_SIZE_MAX
	maxLocalValue = 1<<16 - 1 - 64                 // BPF_LOCAL_STORAGE_MAX_VALUE_SIZE, about
	maxShared     = maxAllocation - maxKey - 64    // of values of cgroups' storages, about
	maxArena      = 4 << 30                        // of an arena
)

// mapCreate is map_create.
func (k *call) mapCreate() (err error) {
	m := &bpfMap{
		sim: k.Sim, refs: 1,
		typ: mapType(k.u32(0)), keySize: k.u32(4), valueSize: k.u32(8), entries: k.u32(12), flags: k.u32(16),
		keyType: k.u32(createKeyType), valueType: k.u32(createValueType), extra: k.u64(createExtra),
	}
	if err := k.checkMap(m); err != nil {
		return err
	}
	if m.typ.outer() {
		if m.inner, err = k.innerMap(); err != nil {
			return err
		}
	}
	if m.typ == devMap || m.typ == devMapHash {
		m.flags |= readProg
	}
	if m.typ == structOpsMap {
		return k.structOpsMap()
	}
	if m.name, err = objectName(k.attr[createName : createName+nameSize]); err != nil {
		return err
	}
	if m.keyType != 0 || m.valueType != 0 {
		if m.btf, err = k.btfByFD("btf_fd", k.u32(createBTF)); err != nil {
			return err
		}
		if m.btf.kernel {
			return refuse("map/btf", mprog.EACCES, "btf_fd %d is the kernel's", k.u32(createBTF))
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

// checkMap is map_create up to the type's map_alloc function, and what that one
// refuses.
func (k *call) checkMap(m *bpfMap) error {
	known, err := k.types()
	if err != nil {
		return err
	}
	switch vmlinux := k.u32(createVMLinux); {
	case vmlinux != 0 && (m.typ != structOpsMap || m.keyType != 0 || m.valueType != 0):
		return refuse("map/btf", mprog.EINVAL, "btf_vmlinux_value_type_id %d of a map of type %d", vmlinux, m.typ)
	case vmlinux == 0 && m.keyType != 0 && m.valueType == 0:
		return refuse("map/btf", mprog.EINVAL, "btf_key_type_id %d without btf_value_type_id", m.keyType)
	case m.extra != 0 && m.typ != bloomFilter && m.typ != arena:
		return refuse("map/extra", mprog.EINVAL, "map_extra %#x", m.extra)
	case m.flags&(readOnly|writeOnly) == readOnly|writeOnly:
		return refuse("map/flags", mprog.EINVAL, "read-only and write-only")
	case m.flags&numaNode != 0 && k.u32(createNUMA) != 0:
		return k.says("Invalid numa_node.", refuse("map/numa", mprog.EINVAL, "numa_node %d: there is node 0 alone", k.u32(createNUMA)))
	}
	if !known.maps[int32(m.typ)] && known.mapErrnos[int32(m.typ)] == 0 {
		refusal := refuse("map/type", mprog.EINVAL, "this kernel has no map type %d", m.typ)
		if m.typ == 0 {
			return refusal
		}
		return k.says("Invalid map_type.", refusal)
	}
	if err := k.checkShape(m); err != nil {
		return err
	}
	if k.u32(createIfindex) != 0 {
		return refuse("map/offload", mprog.EINVAL, "map_ifindex %d: no device has maps of its own", k.u32(createIfindex))
	}
	if err := k.needForMap(m.typ); err != nil {
		return err
	}
	if errno := known.mapErrnos[int32(m.typ)]; errno != 0 && m.typ != structOpsMap {
		return refuse("map/type", errno, "kernels of this release were found to make no maps of type %d", m.typ)
	}
	return nil
}

// needForMap is what map_create wants of the caller.
func (k *call) needForMap(t mapType) error {
	switch t {
	case arrayMap, perCPUArray, progArray, perfEventArray, cgroupArray, arrayOfMaps, hashMap, perCPUHash, hashOfMaps,
		ringBuffer, userRingBuffer, cgroupStorage, perCPUCgroup:
		return nil
	case sockMap, sockHash, devMap, devMapHash, xskMap:
		if !k.caller.Capable(mprog.CapNetAdmin) && !k.caller.Capable(mprog.CapSysAdmin) {
			return refuse("capability/net-admin", mprog.EPERM, "the caller lacks CAP_NET_ADMIN")
		}
	}
	return k.needBPF()
}

// shape is what a type of map demands.
type shape struct {
	flags  uint32 // that it may have
	key    func(uint32) bool
	value  func(uint32) bool
	extra  func(*bpfMap) bool
	errno  func(*bpfMap) mprog.Errno // of what is too large, 0 if nothing is
	access bool                      // programs may be kept from reading or from writing, not from both
}

func is(sizes ...uint32) func(uint32) bool {
	return func(n uint32) bool {
		for _, size := range sizes {
			if n == size {
				return true
			}
		}
		return false
	}
}

func some(n uint32) bool { return n != 0 }

func entries(m *bpfMap) bool { return m.entries != 0 }

func noEntries(m *bpfMap) bool { return m.entries == 0 }

// powerOfTwo is of types whose number of entries is rounded up to one.
func powerOfTwo(errno mprog.Errno) func(*bpfMap) mprog.Errno {
	return func(m *bpfMap) mprog.Errno {
		if m.entries > 1<<31 {
			return errno
		}
		return 0
	}
}

const (
	arrayFlags = numaNode | mmapable | accessFlags | preserve | innerMap
	hashFlags  = noPrealloc | noCommonLRU | numaNode | accessFlags | zeroSeed
	userAccess = readOnly | writeOnly
)

// checkShape is the type's map_alloc_check function, and what its map_alloc
// refuses.
func (k *call) checkShape(m *bpfMap) error {
	if m.flags&zeroSeed != 0 && m.typ.hash() && !k.caller.Capable(mprog.CapSysAdmin) {
		return refuse("map/flags", mprog.EPERM, "BPF_F_ZERO_SEED wants CAP_SYS_ADMIN")
	}
	s, ok := k.shapeOf(m.typ)
	if !ok {
		return nil
	}
	bad := func(errno mprog.Errno, what string) error {
		return refuse("map/shape", errno, "%s: type %d, key_size %d, value_size %d, max_entries %d, flags %#x",
			what, m.typ, m.keySize, m.valueSize, m.entries, m.flags)
	}
	storage := m.typ == cgroupStorage || m.typ == perCPUCgroup
	if storage && s.key(m.keySize) && s.errno(m) != 0 { // comes first
		return bad(s.errno(m), "too large")
	}
	switch {
	case m.flags&^s.flags != 0:
		return bad(mprog.EINVAL, "unknown flags")
	case s.access && m.flags&(readProg|writeProg) == readProg|writeProg:
		return bad(mprog.EINVAL, "read-only and write-only for programs")
	case (m.typ == lruHash || m.typ == lruPerCPUHash) && m.flags&noPrealloc != 0:
		return bad(mprog.ENOTSUPP, "elements are allocated in advance")
	case m.typ.hash() && m.typ != resizableHash && m.typ != lruHash && m.typ != lruPerCPUHash && m.flags&noCommonLRU != 0:
		return bad(mprog.EINVAL, "BPF_F_NO_COMMON_LRU")
	case (m.typ.perCPU() || m.flags&noCommonLRU != 0) && m.flags&numaNode != 0 && m.typ != perCPUCgroup:
		return bad(mprog.EINVAL, "a NUMA node of values of all CPUs")
	case !s.key(m.keySize) || !s.value(m.valueSize) || !s.extra(m):
		return bad(mprog.EINVAL, "no such shape")
	}
	if s.errno != nil {
		if errno := s.errno(m); errno != 0 {
			return bad(errno, "too large")
		}
	}
	return nil
}

func (k *call) shapeOf(t mapType) (shape, bool) {
	switch t {
	case arrayMap, perCPUArray, perfEventArray, progArray, cgroupArray, arrayOfMaps, reusePortArray:
		return arrayShape(t), true
	case hashMap, perCPUHash, lruHash, lruPerCPUHash, hashOfMaps:
		value := some
		if t == hashOfMaps {
			value = is(4)
		}
		return shape{hashFlags, some, value, entries, func(m *bpfMap) mprog.Errno {
			if uint64(m.keySize)+uint64(m.valueSize) >= maxAllocation-hashElement || m.typ.perCPU() && round8(m.valueSize) > maxPerCPU {
				return mprog.E2BIG
			}
			return powerOfTwo(mprog.E2BIG)(m)
		}, true}, true
	case lpmTrie:
		return shape{noPrealloc | numaNode | accessFlags, func(n uint32) bool { return n >= 5 && n <= 260 },
			func(n uint32) bool { return n != 0 && n <= maxTrieValue },
			func(m *bpfMap) bool { return m.entries != 0 && m.flags&noPrealloc != 0 }, nil, true}, true
	case queueMap, stackMap:
		return shape{numaNode | accessFlags, is(0), some, entries, func(m *bpfMap) mprog.Errno {
			if m.valueSize > maxAllocation {
				return mprog.E2BIG
			}
			return 0
		}, true}, true
	case stackTrace:
		return shape{numaNode | userAccess | buildID, is(4), some, stackShape, powerOfTwo(mprog.E2BIG), false}, true
	case ringBuffer, userRingBuffer:
		flags := uint32(numaNode)
		if t == ringBuffer && !k.kernel.Running().Before(fake.Version(7, 0)) {
			flags |= overwrite
		}
		return shape{flags, is(0), is(0), func(m *bpfMap) bool {
			return m.entries != 0 && m.entries&(m.entries-1) == 0 && m.entries%pageSize == 0
		}, nil, false}, true
	case devMap, devMapHash:
		return shape{numaNode | userAccess, is(4), is(4, 8), entries, func(m *bpfMap) mprog.Errno {
			if m.typ == devMapHash {
				return powerOfTwo(mprog.EINVAL)(m)
			}
			return 0
		}, false}, true
	case sockMap, xskMap, sockHash:
		key, value := is(4), is(4, 8)
		if t == xskMap {
			value = is(4)
		}
		if t == sockHash {
			key = some
		}
		return shape{numaNode | userAccess, key, value, entries, func(m *bpfMap) mprog.Errno {
			if m.typ == sockHash && m.keySize > maxKey {
				return mprog.E2BIG
			}
			return 0
		}, false}, true
	case cpuMap:
		return shape{numaNode, is(4), is(4, 8), entries, func(m *bpfMap) mprog.Errno {
			if m.entries > maxCPUs {
				return mprog.E2BIG
			}
			return 0
		}, false}, true
	}
	return rareShape(t)
}

// maxCPUs is NR_CPUS of kernels for any machine.
const maxCPUs = 8192

func arrayShape(t mapType) shape {
	s := shape{arrayFlags &^ (mmapable | preserve | innerMap), is(4), some, entries, func(m *bpfMap) mprog.Errno {
		if m.valueSize > math.MaxInt32 || m.typ == perCPUArray && round8(m.valueSize) > maxPerCPU {
			return mprog.E2BIG
		}
		return 0
	}, true}
	switch t {
	case arrayMap:
		s.flags |= mmapable | innerMap
	case perfEventArray:
		s.flags |= preserve
		fallthrough
	case progArray, cgroupArray, arrayOfMaps:
		s.value = is(4)
		s.flags &^= readProg | writeProg
	case reusePortArray:
		s.value = is(4, 8)
	}
	return s
}

// stackShape is of traces of addresses, or of build ids.
func stackShape(m *bpfMap) bool {
	size := uint32(8)
	if m.flags&buildID != 0 {
		size = 32
	}
	return m.entries != 0 && m.valueSize%size == 0 && m.valueSize/size <= maxStack && m.valueSize >= 8
}

func rareShape(t mapType) (shape, bool) {
	switch t {
	case cgroupStorage, perCPUCgroup:
		return shape{numaNode | accessFlags, is(8, 16), some, noEntries, func(m *bpfMap) mprog.Errno {
			if m.valueSize > maxShared || m.typ == perCPUCgroup && m.valueSize > maxPerCPU {
				return mprog.E2BIG
			}
			return 0
		}, true}, true
	case skStorage, inodeStorage, taskStorage, cgrpStorage:
		return shape{noPrealloc | cloned, is(4), some, func(m *bpfMap) bool {
			return m.entries == 0 && m.flags&noPrealloc != 0 && m.keyType != 0 && m.valueType != 0
		}, func(m *bpfMap) mprog.Errno {
			if m.valueSize > maxLocalValue {
				return mprog.E2BIG
			}
			return 0
		}, false}, true
	case bloomFilter:
		return shape{numaNode | zeroSeed | accessFlags, is(0), some, func(m *bpfMap) bool { return m.entries != 0 && m.extra&^0xf == 0 }, nil, true}, true
	case arena:
		return shape{segvOnFault | mmapable | noUserConv, is(0), is(0), func(m *bpfMap) bool {
			return m.entries != 0 && m.flags&mmapable != 0 && m.extra%pageSize == 0
		}, func(m *bpfMap) mprog.Errno {
			size := uint64(m.entries) * pageSize
			switch {
			case size > maxArena:
				return mprog.E2BIG
			case m.extra>>32 != (m.extra+size-1)>>32:
				return mprog.ERANGE
			}
			return 0
		}, false}, true
	case insnArray:
		return shape{0, is(4), is(16), entries, nil, false}, true
	}
	return shape{}, false
}

// structOpsMap is bpf_struct_ops_map_alloc. Which structures can be implemented is
// not known.
func (k *call) structOpsMap() error {
	return refuse("map/struct-ops", mprog.ENOTSUPP, "btf_vmlinux_value_type_id %d: operations of the kernel are not simulated", k.u32(createVMLinux))
}

// innerMap is bpf_map_meta_alloc: the map that those within another one are like.
func (k *call) innerMap() (*bpfMap, error) {
	m, err := k.mapByFD("inner_map_fd", k.u32(createInner))
	switch {
	case err != nil:
		return nil, err
	case m.typ.outer():
		return nil, refuse("map/inner", mprog.EINVAL, "inner_map_fd %d is a map of maps", k.u32(createInner))
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
