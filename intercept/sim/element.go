package sim

import (
	"bytes"
	"slices"

	"github.com/nkconform/nkconform/mprog"
)

// elements are what a map holds: values by key, in the order they were put
// there. A queue's or stack's have no key.
type elements struct {
	m      *bpfMap
	values map[string]*element
	order  []string // of a hash
	queue  [][]byte // of a queue or stack
}

// element is a value; for maps of programs and maps also a reference.
type element struct {
	value  []byte
	object *Object
	event  *PerfEvent // of a map of perf events
	by     *Object    // the map's fd by which it was put there
}

func newElements(m *bpfMap) elements { return elements{m: m, values: map[string]*element{}} }

// Flags of updates and lookups.
const (
	anyway    = 0 // BPF_ANY
	mustBeNew = 1 // BPF_NOEXIST
	mustExist = 2 // BPF_EXIST
	locked    = 4 // BPF_F_LOCK
)

// index returns an array's index, false if it is out of range.
func (e *elements) index(key []byte) (uint32, bool) {
	i := native.Uint32(key)
	return i, i < e.m.entries
}

// get returns a value, nil if there is none.
func (e *elements) get(key []byte) []byte {
	if e.m.typ.array() {
		i, ok := e.index(key)
		if !ok {
			return nil
		}
		if e.m.memory != nil {
			at := uint64(i) * uint64(round8(e.m.valueSize))
			return e.m.memory.Bytes()[at : at+uint64(e.m.valueSize)]
		}
		if v := e.values[string(key)]; v != nil {
			return v.value
		}
		if e.m.typ.fds() || e.m.typ == perfEventArray || e.m.typ == cgroupArray {
			return nil
		}
		return make([]byte, e.m.wide())
	}
	if e.m.typ == lpmTrie {
		return e.longestPrefix(key)
	}
	if v := e.values[string(key)]; v != nil {
		return v.value
	}
	return nil
}

// longestPrefix finds the most specific of a trie's elements that a key is
// within.
func (e *elements) longestPrefix(key []byte) (found []byte) {
	want, best := native.Uint32(key), -1
	for candidate, v := range e.values {
		bits := int(native.Uint32([]byte(candidate)))
		if bits > best && uint32(bits) <= want && samePrefix(candidate[4:], string(key[4:]), bits) {
			best, found = bits, v.value
		}
	}
	return found
}

// samePrefix reports whether two strings of the same length begin with the same
// bits.
func samePrefix(a, b string, bits int) bool {
	whole := min(bits/8, len(a))
	if a[:whole] != b[:whole] {
		return false
	}
	rest := bits % 8
	return rest == 0 || whole == len(a) || (a[whole]^b[whole])>>(8-rest) == 0
}

// put stores a value. The object is the one that an fd in it referred to.
func (e *elements) put(key, value []byte, object *Object, flags uint64) error {
	if flags > mustExist { // BPF_F_LOCK is for values with a spin lock
		return refuse("map/update-flags", mprog.EINVAL, "flags %#x", flags)
	}
	if e.m.typ == lpmTrie && native.Uint32(key) > 8*(e.m.keySize-4) {
		return refuse("map/prefix", mprog.EINVAL, "prefix of %d bits", native.Uint32(key))
	}
	if e.m.typ.indexed() {
		i, ok := e.index(key)
		switch {
		case !ok:
			return refuse("map/index", mprog.E2BIG, "index %d of %d", i, e.m.entries)
		case flags&^locked == mustBeNew:
			return refuse("map/exists", mprog.EEXIST, "every element of an array exists")
		}
		if e.m.memory != nil {
			copy(e.get(key), value)
			return nil
		}
	}
	old := e.values[string(key)]
	switch {
	case e.m.typ.array():
	case old != nil && flags&^locked == mustBeNew:
		return refuse("map/exists", mprog.EEXIST, "the key is there")
	case old == nil && flags&^locked == mustExist:
		return refuse("map/absent", mprog.ENOENT, "the key is not there")
	case old == nil && uint32(len(e.values)) >= e.m.entries:
		switch e.m.typ {
		case lruHash, lruPerCPUHash:
		case lpmTrie:
			return refuse("map/full", mprog.ENOSPC, "the map has its %d elements", e.m.entries)
		default:
			return refuse("map/full", mprog.E2BIG, "the map has its %d elements", e.m.entries)
		}
		e.remove([]byte(e.order[0]))
	}
	if old != nil && e.m.typ.array() && object == nil {
		copy(old.value, value) // programs may have its address
		return nil
	}
	if old == nil && !e.m.typ.array() {
		e.order = append(e.order, string(key))
	}
	e.values[string(key)] = &element{value: value, object: object}
	if old != nil && old.object != nil {
		old.object.close()
	}
	return nil
}

// keep has a value for a key, whatever the map's limits are.
func (e *elements) keep(key, value []byte) {
	if e.values[string(key)] == nil && !e.m.typ.array() {
		e.order = append(e.order, string(key))
	}
	e.values[string(key)] = &element{value: value}
}

// remove deletes an element and reports whether it was there.
func (e *elements) remove(key []byte) bool {
	old := e.values[string(key)]
	if old == nil {
		return false
	}
	delete(e.values, string(key))
	if i := slices.Index(e.order, string(key)); i >= 0 {
		e.order = slices.Delete(e.order, i, i+1)
	}
	if old.object != nil {
		old.object.close()
	}
	return true
}

// next returns the key behind another one, or the first when there is no such
// key, nil at the end.
func (e *elements) next(key []byte) []byte {
	if e.m.typ.indexed() {
		i := uint32(0)
		if key != nil {
			if at, ok := e.index(key); ok {
				i = at + 1
			}
		}
		if i >= e.m.entries {
			return nil
		}
		return native.AppendUint32(nil, i)
	}
	i := 0
	if key != nil {
		i = slices.Index(e.order, string(key)) + 1
	}
	if i >= len(e.order) {
		return nil
	}
	return []byte(e.order[i])
}

// push adds to a queue or stack; BPF_EXIST makes room.
func (e *elements) push(value []byte, flags uint64) error {
	if flags != anyway && flags != mustExist {
		return refuse("map/update-flags", mprog.EINVAL, "flags %#x", flags)
	}
	if uint32(len(e.queue)) >= e.m.entries {
		if flags != mustExist {
			return refuse("map/full", mprog.E2BIG, "the map has its %d elements", e.m.entries)
		}
		e.queue = e.queue[1:]
	}
	e.queue = append(e.queue, bytes.Clone(value))
	return nil
}

// pop returns the element whose turn it is, and takes it out if remove; nil when
// there is none.
func (e *elements) pop(remove bool) []byte {
	if len(e.queue) == 0 {
		return nil
	}
	i := 0
	if e.m.typ == stackMap {
		i = len(e.queue) - 1
	}
	v := e.queue[i]
	if remove {
		e.queue = slices.Delete(e.queue, i, i+1)
	}
	return v
}

// drop returns the references that elements held.
func (e *elements) drop() (held []*Object) {
	for _, v := range e.values {
		if v.object != nil {
			held = append(held, v.object)
		}
	}
	e.values, e.order, e.queue = nil, nil, nil
	return held
}
