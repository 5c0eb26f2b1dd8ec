package sim

import (
	"cmp"
	"slices"
)

// order is the order in which a hash's or a trie's elements are found by who goes
// through them all. A trie's is the kernel's: what is within a prefix comes before it,
// and a 0 bit before a 1. A hash's is that in which keys were put there; the kernel's is
// another at each boot. What was removed from it stays for a while, so that to remove
// one takes no longer with many.
type order struct {
	list []*element
	gone int    // how many of them are not there any more
	made uint32 // how many there have been
}

// compare is the order of two elements.
func (o *order) compare(trie bool) func(a, b *element) int {
	if trie {
		return comparePrefixes
	}
	return func(a, b *element) int { return cmp.Compare(a.number, b.number) }
}

func (o *order) find(e *element, trie bool) int {
	at, _ := slices.BinarySearchFunc(o.list, e, o.compare(trie))
	return at
}

func (o *order) add(e *element, trie bool) {
	e.number = o.made
	o.made++
	if trie {
		o.list = slices.Insert(o.list, o.find(e, trie), e)
		return
	}
	o.list = append(o.list, e)
}

// remove keeps the first one there.
func (o *order) remove(e *element, trie bool) {
	if trie {
		at := o.find(e, trie)
		o.list = slices.Delete(o.list, at, at+1)
		return
	}
	e.gone = true
	o.gone++
	for len(o.list) > 0 && o.list[0].gone {
		o.list[0] = nil
		o.list = o.list[1:]
		o.gone--
	}
	if o.gone > len(o.list)/2 {
		o.list = slices.DeleteFunc(o.list, func(e *element) bool { return e.gone })
		o.gone = 0
	}
}

// next is the element behind one, or the first of all, nil at the end.
func (o *order) next(behind *element, trie bool) *element {
	at := 0
	if behind != nil {
		at = o.find(behind, trie) + 1
	}
	return o.at(at)
}

// from is the first element of those that at least so many came before.
func (o *order) from(number uint32) *element {
	return o.at(o.find(&element{number: number}, false))
}

func (o *order) at(at int) *element {
	for ; at < len(o.list); at++ {
		if !o.list[at].gone {
			return o.list[at]
		}
	}
	return nil
}

// comparePrefixes is the order of a trie's keys: how many bits, and those.
func comparePrefixes(a, b *element) int {
	x, y := native.Uint32([]byte(a.key)), native.Uint32([]byte(b.key))
	for bit := range min(x, y) {
		if c := cmp.Compare(bitOf(a.key, bit), bitOf(b.key, bit)); c != 0 {
			return c
		}
	}
	return cmp.Compare(y, x)
}

func bitOf(key string, bit uint32) byte { return key[4+bit/8] >> (7 - bit%8) & 1 }
