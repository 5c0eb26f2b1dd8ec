package sim

import (
	"cmp"
	"slices"

	"github.com/nkconform/nkconform/intercept/machine"
	"github.com/nkconform/nkconform/mprog"
)

// mapView is a map as programs see it: of values that each CPU has one of, that
// of CPU 0, on which all programs run, unless they ask.
type mapView struct{ m *bpfMap }

var _ machine.Map = mapView{}

func (v mapView) KeySize() uint32   { return v.m.keySize }
func (v mapView) ValueSize() uint32 { return v.m.valueSize }

func (v mapView) Entries() uint32 { return v.m.entries }

func (v mapView) Lookup(key []byte) []byte { return v.LookupCPU(key, 0) }

func (v mapView) LookupCPU(key []byte, cpu uint32) []byte {
	e := &v.m.elements
	if v.m.typ.fds() || cpu >= uint32(v.m.sim.cpus) || cpu > 0 && !v.m.typ.perCPU() {
		return nil
	}
	value := e.get(key)
	if value == nil {
		return nil
	}
	if v.m.typ.array() && v.m.memory == nil && e.values[string(key)] == nil {
		e.values[string(key)] = &element{value: value} // has an address from now on
	}
	return value[cpu*round8(v.m.valueSize):][:v.m.valueSize]
}

func (v mapView) Keys() (keys [][]byte) {
	for key := v.m.elements.next(nil); key != nil; key = v.m.elements.next(key) {
		keys = append(keys, key)
	}
	return keys
}

// Holder looks at all values that have an address.
func (v mapView) Holder(place *byte) []byte {
	within := func(value []byte) bool {
		for at := 0; at < len(value); at += 8 {
			if &value[at] == place {
				return true
			}
		}
		return false
	}
	if v.m.memory != nil {
		for i := range v.m.entries {
			if key := native.AppendUint32(nil, i); within(v.m.elements.get(key)) {
				return key
			}
		}
	}
	for key, e := range v.m.elements.values {
		if within(e.value) {
			return []byte(key)
		}
	}
	return nil
}

// Device is of maps whose values begin with an ifindex.
func (v mapView) Device(index uint32) (machine.Outlet, bool) {
	if v.m.typ != devMap && v.m.typ != devMapHash {
		return machine.Outlet{}, false
	}
	o, ok := v.outlet(index)
	return o, ok
}

// CPU is of maps whose values begin with a queue's length.
func (v mapView) CPU(index uint32) (machine.Outlet, bool) {
	if v.m.typ != cpuMap {
		return machine.Outlet{}, false
	}
	o, ok := v.outlet(index)
	o.Ifindex = 0
	return o, ok
}

// outlet is an element that may have a program.
func (v mapView) outlet(index uint32) (o machine.Outlet, ok bool) {
	e := v.m.elements.values[string(native.AppendUint32(nil, index))]
	if e == nil {
		return o, false
	}
	if o.Ifindex = native.Uint32(e.value); e.object != nil {
		o.Program = e.object.ID
	}
	return o, true
}

// Devices are in the order of their keys.
func (v mapView) Devices() (all []machine.Outlet, ok bool) {
	if v.m.typ != devMap && v.m.typ != devMapHash {
		return nil, false
	}
	keys := v.Keys()
	if v.m.typ == devMap {
		slices.SortFunc(keys, func(a, b []byte) int { return cmp.Compare(native.Uint32(a), native.Uint32(b)) })
	}
	for _, key := range keys {
		if to, there := v.Device(native.Uint32(key)); there {
			all = append(all, to)
		}
	}
	return all, true
}

func (v mapView) Held(index uint32) bool {
	return v.m.elements.values[string(native.AppendUint32(nil, index))] != nil
}

// Cgroup is of an element that storeCgroup has put there.
func (v mapView) Cgroup(index uint32) (id uint64, ok bool) {
	e := v.m.elements.values[string(native.AppendUint32(nil, index))]
	if v.m.typ != cgroupArray || e == nil {
		return 0, false
	}
	return native.Uint64(e.value), true
}

func (v mapView) Stored(owner uint64, initial []byte) []byte { return v.m.stored(owner, initial) }

func (v mapView) Forget(owner uint64) bool { return v.m.elements.remove(ownerKey(owner)) }

func (v mapView) Ring() []byte {
	if v.m.typ != ringBuffer {
		return nil
	}
	return v.m.memory.Bytes()
}

func (v mapView) Update(key, value []byte, flags uint64) int {
	if v.m.typ.fds() {
		return int(mprog.EINVAL)
	}
	if v.m.typ.perCPU() {
		wide := make([]byte, v.m.wide())
		if old := v.m.elements.get(key); old != nil {
			copy(wide, old)
		}
		copy(wide, value)
		value = wide
	}
	if flags > mustExist {
		return int(mprog.EINVAL)
	}
	return errnoNumber(v.m.elements.put(key, value, nil, flags))
}

func (v mapView) Delete(key []byte) int {
	switch {
	case v.m.typ.array():
		return int(mprog.EINVAL)
	case !v.m.elements.remove(key):
		return int(mprog.ENOENT)
	}
	return 0
}

func (v mapView) Inner(key []byte) (id uint32, ok bool) {
	if !v.m.typ.outer() {
		return 0, false
	}
	inner := v.m.elements.values[string(key)]
	if inner == nil {
		return 0, false
	}
	return inner.object.ID, true
}

func (v mapView) Tail(index uint32) *machine.Program {
	if v.m.typ != progArray {
		return nil
	}
	tail := v.m.elements.values[string(native.AppendUint32(nil, index))]
	if tail == nil {
		return nil
	}
	if p := v.m.sim.programs[tail.object.ID]; p != nil {
		return p.code
	}
	return nil
}

func (v mapView) Push(value []byte, flags uint64) int {
	return errnoNumber(v.m.elements.push(value, flags))
}

func (v mapView) Pop(remove bool) []byte { return v.m.elements.pop(remove) }

func errnoNumber(err error) int {
	errno, _ := mprog.ErrnoOf(err)
	return int(errno)
}
