package sim

import (
	"bytes"
	"slices"

	"github.com/nkconform/nkconform/mprog"
)

// elements are what a map holds: values by key. A queue's or stack's have no key.
type elements struct {
	m      *bpfMap
	values map[string]*element
	order  order    // of a hash or trie
	queue  [][]byte // of a queue or stack
}

// element is a value; for maps of programs and maps also a reference.
type element struct {
	key    string // of a hash or trie
	number uint32 // of a hash: how many came before it, see [order]
	gone   bool   // and still in the order
	value  []byte
	object *Object
	event  *PerfEvent // of a map of perf events
	by     *Object    // the map's fd by which it was put there
}

func newElements(m *bpfMap) elements { return elements{m: m, values: map[string]*element{}} }

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
	if v := e.at(key); v != nil {
		return v.value
	}
	return nil
}

// at returns the element that a key names, nil if there is none.
func (e *elements) at(key []byte) *element { return e.values[e.name(key)] }

// name is what is the same of all keys that mean the same: of a trie's the bits within
// the prefix.
func (e *elements) name(key []byte) string {
	if e.m.typ != lpmTrie {
		return string(key)
	}
	same, bits := make([]byte, len(key)), min(native.Uint32(key), 8*uint32(len(key)-4))
	copy(same[:4+bits/8], key)
	if rest := bits % 8; rest != 0 {
		same[4+bits/8] = key[4+bits/8] &^ (0xff >> rest)
	}
	return string(same)
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
	if e.m.typ == lpmTrie && native.Uint32(key) > 8*(e.m.keySize-4) {
		return refuse("map/prefix", mprog.EINVAL, "prefix of %d bits", native.Uint32(key))
	}
	old := e.at(key)
	if err := e.checkPlace(key, old, flags); err != nil {
		return err
	}
	switch {
	case e.m.memory != nil:
		copy(e.get(key), value)
		return nil
	case old != nil && object == nil: // programs may have its address
		e.m.special.copy(old.value, value)
		if e.m.special.others {
			e.m.sim.timers.End(old.value) // bpf_obj_free_fields
		}
		if e.m.typ == lpmTrie {
			old.key = string(key)
		}
		return nil
	case old != nil:
		before := old.object
		old.value, old.object = value, object
		if before != nil {
			before.close()
		}
		return nil
	}
	made := &element{key: string(key), value: value, object: object}
	e.m.special.clear(value)
	if !e.m.typ.array() {
		e.order.add(made, e.m.typ == lpmTrie)
	}
	e.values[e.name(key)] = made
	return nil
}

// checkPlace is whether a key may be put, when the old value is there or nil: what the
// flags say, and whether there is room, which a map of the least recently used makes.
func (e *elements) checkPlace(key []byte, old *element, flags uint64) error {
	if e.m.typ.indexed() {
		i, ok := e.index(key)
		switch {
		case !ok:
			return refuse("map/index", mprog.E2BIG, "index %d of %d", i, e.m.entries)
		case flags&^locked == mustBeNew:
			return refuse("map/exists", mprog.EEXIST, "every element of an array exists")
		}
		if e.m.typ.array() {
			return nil
		}
	}
	switch {
	case old != nil && flags&^locked == mustBeNew:
		return refuse("map/exists", mprog.EEXIST, "the key is there")
	case old == nil && flags&^locked == mustExist:
		return refuse("map/absent", mprog.ENOENT, "the key is not there")
	case old != nil || uint32(len(e.values)) < e.m.entries:
		return nil
	}
	errno := mprog.E2BIG
	switch e.m.typ {
	case lruHash, lruPerCPUHash:
		e.remove([]byte(e.order.list[0].key))
		return nil
	case lpmTrie:
		errno = mprog.ENOSPC
	}
	return refuse("map/full", errno, "the map has its %d elements", e.m.entries)
}

// keep has a value for a key, whatever the map's limits are.
func (e *elements) keep(key, value []byte) {
	if old := e.at(key); old != nil {
		old.value = value
		return
	}
	made := &element{key: string(key), value: value}
	if !e.m.typ.array() {
		e.order.add(made, e.m.typ == lpmTrie)
	}
	e.values[e.name(key)] = made
}

// remove deletes an element and reports whether it was there.
func (e *elements) remove(key []byte) bool {
	old := e.at(key)
	if old == nil {
		return false
	}
	delete(e.values, e.name(key))
	if !e.m.typ.array() {
		e.order.remove(old, e.m.typ == lpmTrie)
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
	var behind *element
	if key != nil {
		behind = e.at(key)
	}
	if next := e.order.next(behind, e.m.typ == lpmTrie); next != nil {
		return []byte(next.key)
	}
	return nil
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
	e.values, e.order, e.queue = nil, order{}, nil
	return held
}
