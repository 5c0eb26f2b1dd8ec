package sim

import (
	"math"

	"github.com/nkconform/nkconform/fake"
	"github.com/nkconform/nkconform/mprog"
)

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
	if m.flags&zeroSeed != 0 && m.typ.hash() && m.typ != resizableHash && !k.caller.Capable(mprog.CapSysAdmin) {
		return refuse("map/flags", mprog.EPERM, "BPF_F_ZERO_SEED wants CAP_SYS_ADMIN")
	}
	if m.typ == resizableHash {
		if errno := m.resizable(); errno != 0 {
			return refuse("map/shape", errno, "key_size %d, max_entries %d, flags %#x, map_extra %#x", m.keySize, m.entries, m.flags, m.extra)
		}
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
	case m.typ.hash() && m.typ != lruHash && m.typ != lruPerCPUHash && m.flags&noCommonLRU != 0:
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

// resizable is what rhtab_map_alloc_check says, in front of what it says of every hash.
func (m *bpfMap) resizable() mprog.Errno {
	switch {
	case m.flags&noPrealloc == 0, m.flags&zeroSeed != 0:
		return mprog.EINVAL
	case m.keySize > math.MaxUint16:
		return mprog.E2BIG
	case m.extra>>32 != 0:
		return mprog.EINVAL
	case m.extra > math.MaxUint16:
		return mprog.E2BIG
	case m.extra > uint64(m.entries):
		return mprog.EINVAL
	}
	return 0
}

func (k *call) shapeOf(t mapType) (shape, bool) {
	switch t {
	case arrayMap, perCPUArray, perfEventArray, progArray, cgroupArray, arrayOfMaps, reusePortArray:
		return arrayShape(t), true
	case hashMap, perCPUHash, lruHash, lruPerCPUHash, hashOfMaps, resizableHash:
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
	case structOpsMap:
		return shape{ofLink | valueBTF, is(4), func(uint32) bool { return true }, func(m *bpfMap) bool { return m.entries == 1 && m.vmlinux != 0 }, nil, false}, true
	case insnArray:
		return shape{0, is(4), is(16), entries, nil, false}, true
	}
	return shape{}, false
}
