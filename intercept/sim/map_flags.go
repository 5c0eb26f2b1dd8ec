package sim

import (
	"bytes"
	"math"

	"github.com/nkconform/nkconform/mprog"
)

// Flags of updates and lookups.
const (
	anyway    = 0  // BPF_ANY
	mustBeNew = 1  // BPF_NOEXIST
	mustExist = 2  // BPF_EXIST
	locked    = 4  // BPF_F_LOCK
	oneCPU    = 8  // BPF_F_CPU, whose number is in the upper half
	allCPUs   = 16 // BPF_F_ALL_CPUS

	ofOneValue = oneCPU | allCPUs
	allFlags   = ^uint32(0)
)

// cpuFlags reports whether values of per-CPU maps can be had for one CPU.
func (s *Sim) cpuFlags() bool { return s.release.CPUFlags }

// opFlags is bpf_map_check_op_flags, and what was checked in its place before there
// were flags for CPUs.
func (k *call) opFlags(m *bpfMap, flags uint64, allowed uint32) error {
	bad := func() error {
		return refuse("map/op-flags", mprog.EINVAL, "flags %#x for a map of type %d", flags, m.typ)
	}
	if !k.cpuFlags() {
		if allowed != allFlags && flags&^locked != 0 || flags&locked != 0 && !m.special.lock {
			return bad()
		}
		return nil
	}
	switch {
	case uint32(flags)&^allowed != 0, flags&locked != 0 && !m.special.lock, flags&oneCPU == 0 && flags>>32 != 0:
		return bad()
	case flags&ofOneValue == 0:
		return nil
	case !m.typ.perCPU(), flags&ofOneValue == ofOneValue:
		return bad()
	case flags&oneCPU != 0 && flags>>32 >= uint64(k.cpus):
		return refuse("map/cpu", mprog.ERANGE, "CPU %d of %d", flags>>32, k.cpus)
	}
	return nil
}

// updateFlags is what the type's update function says of flags.
func (m *bpfMap) updateFlags(flags uint64) error {
	most, ignored := uint64(mustExist), uint64(0)
	switch m.typ {
	case perCPUArray, perCPUHash, lruPerCPUHash:
		if m.sim.cpuFlags() {
			most, flags = allCPUs, uint64(uint32(flags))
		}
	case cgroupStorage:
		most = math.MaxUint64
		if flags&^(mustExist|locked) != 0 {
			most = 0
		}
	case perCPUCgroup:
		most = math.MaxUint64
		if !m.sim.cpuFlags() && flags != anyway && flags != mustExist || uint32(flags)&^(mustExist|ofOneValue) != 0 {
			most = 0
		}
	case arrayMap, hashMap, resizableHash, skStorage, inodeStorage, taskStorage, cgrpStorage:
		ignored = locked
	}
	if flags&^ignored > most {
		return refuse("map/update-flags", mprog.EINVAL, "flags %#x", flags)
	}
	return nil
}

// span is how many bytes a value has to user space, in a call with flags
// (bpf_map_value_size).
func (m *bpfMap) span(flags uint64) uint32 {
	if flags&ofOneValue != 0 {
		return m.valueSize
	}
	return m.wide()
}

// widen makes a value for one CPU or for all of them one that all CPUs have. What
// follows each value up to 8 bytes is kept by kernels that have no flags for CPUs.
func (m *bpfMap) widen(old, value []byte, flags uint64) []byte {
	if !m.typ.perCPU() || !m.sim.cpuFlags() {
		return value
	}
	wide, each := make([]byte, m.wide()), int(round8(m.valueSize))
	if flags&ofOneValue == 0 {
		for at := 0; at < len(wide); at += each {
			copy(wide[at:], value[at:][:m.valueSize])
		}
		return wide
	}
	if flags&allCPUs != 0 {
		for at := 0; at < len(wide); at += each {
			copy(wide[at:], value)
		}
		return wide
	}
	copy(wide, old)
	copy(wide[int(flags>>32)*each:], value)
	return wide
}

// narrow is what a call with flags gets of a value.
func (m *bpfMap) narrow(value []byte, flags uint64) []byte {
	if flags&oneCPU != 0 {
		value = value[uint32(flags>>32)*round8(m.valueSize):][:m.valueSize]
	}
	value = bytes.Clone(value)
	if !m.typ.perCPU() {
		m.special.clear(value)
	}
	return value
}
