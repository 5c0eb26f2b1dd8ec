package sim

import (
	"crypto/sha256"

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
	createExclusive = 80 // excl_prog_hash
	createHashSize  = 88 // excl_prog_hash_size
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
	ofLink      = 1 << 13 // BPF_F_LINK
	valueBTF    = 1 << 15 // BPF_F_VTYPE_BTF_OBJ_FD
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
		keyType: k.u32(createKeyType), valueType: k.u32(createValueType), extra: k.u64(createExtra), vmlinux: k.u32(createVMLinux),
	}
	if err := k.checkMap(m); err != nil {
		return err
	}
	if m.typ.outer() {
		if m.inner, err = k.innerMap(); err != nil {
			return err
		}
	}
	switch m.typ {
	case devMap, devMapHash, insnArray:
		m.flags |= readProg
	}
	if m.typ == structOpsMap {
		if err := k.structOpsMap(m); err != nil {
			return err
		}
	}
	if m.name, err = objectName(k.attr[createName : createName+nameSize]); err != nil {
		return err
	}
	if m.keyType != 0 || m.valueType != 0 || m.ops != nil {
		if m.btf, err = k.btfByFD("btf_fd", k.u32(createBTF)); err != nil {
			return err
		}
		if m.btf.kernel {
			return refuse("map/btf", mprog.EACCES, "btf_fd %d is the kernel's", k.u32(createBTF))
		}
		if m.ops == nil {
			if err := k.checkBTF(m); err != nil {
				return err
			}
		}
	}
	if err := k.readExclusive(m); err != nil {
		return err
	}
	if err := k.allocate(m); err != nil {
		return err
	}
	if m.btf != nil {
		m.btf.refs++
	}
	m.id = k.maps.add(m)
	k.New = m.object(m.flags)
	m.flags &^= readOnly | writeOnly // which are the fd's
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
	case m.extra != 0 && m.typ != bloomFilter && m.typ != arena && (m.typ != resizableHash || !known.maps[int32(resizableHash)]):
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
	if err := k.needForMap(m.typ); err != nil {
		return err
	}
	if ifindex := k.u32(createIfindex); ifindex != 0 {
		return k.checkOffload(m, ifindex)
	}
	if errno := known.mapErrnos[int32(m.typ)]; errno != 0 && m.typ != structOpsMap {
		return refuse("map/type", errno, "kernels of this release were found to make no maps of type %d", m.typ)
	}
	return nil
}

// checkOffload is bpf_map_offload_map_alloc: no device has maps of its own.
func (k *call) checkOffload(m *bpfMap, ifindex uint32) error {
	if err := k.needSysAdmin(); err != nil {
		return err
	}
	if m.typ != arrayMap && m.typ != hashMap || !k.hasDevice(ifindex) {
		return refuse("map/offload", mprog.EINVAL, "map_ifindex %d of a map of type %d", ifindex, m.typ)
	}
	return refuse("map/offload", mprog.EOPNOTSUPP, "map_ifindex %d: no device has maps of its own", ifindex)
}

// needForMap is what map_create wants of the caller.
func (k *call) needForMap(t mapType) error {
	switch t {
	case arrayMap, perCPUArray, progArray, perfEventArray, cgroupArray, arrayOfMaps, hashMap, perCPUHash, hashOfMaps,
		ringBuffer, userRingBuffer, cgroupStorage, perCPUCgroup, resizableHash:
		return nil
	case sockMap, sockHash, devMap, devMapHash, xskMap:
		if !k.caller.Capable(mprog.CapNetAdmin) && !k.caller.Capable(mprog.CapSysAdmin) {
			return refuse("capability/net-admin", mprog.EPERM, "the caller lacks CAP_NET_ADMIN")
		}
	}
	return k.needBPF()
}

// readExclusive reads the hash of the program that alone may use a map.
func (k *call) readExclusive(m *bpfMap) error {
	address, size := k.u64(createExclusive), k.u32(createHashSize)
	if address == 0 && size == 0 {
		return nil
	}
	if address == 0 || size != sha256.Size {
		return k.says("Invalid excl_prog_hash_size.", refuse("map/exclusive", mprog.EINVAL, "excl_prog_hash at %#x of %d bytes", address, size))
	}
	m.exclusive = make([]byte, size)
	return k.read(address, m.exclusive)
}
