package fake

import (
	"cmp"
	"slices"

	"github.com/nkconform/nkconform/mprog"
)

// block is what packets of one direction are classified by: chains of filters
// (struct tcf_block). Chains are in the order in which they came.
type block struct {
	parent uint32 // tcm_parent of the last request for a new filter
	chains []*chain
}

// chain is a chain's priorities, the lowest number first (struct tcf_chain).
type chain struct {
	index      uint32
	priorities []*priority
	stays      bool // without filters, too: it was asked for by itself
}

// priority holds the filters of one priority and protocol, the newest first
// (struct tcf_proto with struct cls_bpf_head).
type priority struct {
	number, protocol uint16
	filters          []*filter
}

// filter is struct cls_bpf_prog. It holds a reference on its program.
type filter struct {
	handle  uint32
	prog    *program
	flags   mprog.BPFFlags
	gen     uint32 // see genFlags
	classID uint32
	name    string
}

// chain finds a chain, nil if there is none.
func (b *block) chain(index uint32) *chain {
	for _, c := range b.chains {
		if c.index == index {
			return c
		}
	}
	return nil
}

// flush takes all filters away.
func (b *block) flush() {
	for _, c := range b.chains {
		c.flush()
	}
	b.chains = nil
}

func (c *chain) flush() {
	for _, pr := range c.priorities {
		pr.flush()
	}
	c.priorities = nil
}

func (pr *priority) flush() {
	for _, f := range pr.filters {
		f.prog.put()
	}
	pr.filters = nil
}

// sweep drops what has no filters: priorities, and a chain with its last unless it stays.
func (b *block) sweep() {
	for _, c := range b.chains {
		c.priorities = slices.DeleteFunc(c.priorities, func(pr *priority) bool { return len(pr.filters) == 0 })
	}
	b.chains = slices.DeleteFunc(b.chains, func(c *chain) bool { return len(c.priorities) == 0 && !c.stays })
}

// find returns a priority and where it stands, or would stand if it is nil.
func (c *chain) find(number uint16) (at int, pr *priority) {
	at, found := slices.BinarySearchFunc(c.priorities, number, func(pr *priority, n uint16) int {
		return cmp.Compare(pr.number, n)
	})
	if found {
		pr = c.priorities[at]
	}
	return at, pr
}

// Where the kernel chooses priorities: from firstAuto down, but not below lowestAuto
// (tcf_auto_prio).
const (
	firstAuto  = 0xc000
	lowestAuto = 0x8000
)

// auto chooses a priority: one below the lowest that is not below lowestAuto, if
// that is free; else it refuses by the rule taken.
func (c *chain) auto(taken *RuleInfo) (uint16, error) {
	at, pr := c.find(lowestAuto)
	switch {
	case pr != nil:
		return 0, refuse(taken, "priority %d is taken", lowestAuto)
	case at < len(c.priorities):
		return c.priorities[at].number - 1, nil
	}
	return firstAuto, nil
}

// find returns a filter and where it stands, nil if there is none. No filter has
// handle 0.
func (pr *priority) find(handle uint32) (at int, f *filter) {
	at = slices.IndexFunc(pr.filters, func(f *filter) bool { return f.handle == handle })
	if at >= 0 {
		f = pr.filters[at]
	}
	return at, f
}

// freeHandle returns the lowest handle that no filter has.
func (pr *priority) freeHandle() uint32 {
	for handle := uint32(1); ; handle++ {
		if _, taken := pr.find(handle); taken == nil {
			return handle
		}
	}
}

// list writes the filters in the order in which they are listed.
func (b *block) list() (list []mprog.Filter) {
	for _, c := range b.chains {
		for _, pr := range c.priorities {
			for _, f := range pr.filters {
				list = append(list, b.told(c, pr, f))
			}
		}
	}
	return list
}

// told is what is told of a filter.
func (b *block) told(c *chain, pr *priority, f *filter) mprog.Filter {
	return mprog.Filter{
		Parent: b.parent, Chain: c.index, Priority: pr.number, Protocol: pr.protocol, Handle: f.handle,
		ProgID: f.prog.id, BPFFlags: f.flags, GenFlags: f.gen | notInHardware, ClassID: f.classID, Name: f.name,
	}
}

// The flags of TCA_BPF_FLAGS_GEN (include/uapi/linux/pkt_cls.h).
const (
	skipHardware  = 1 << 0 // TCA_CLS_FLAGS_SKIP_HW
	skipSoftware  = 1 << 1 // TCA_CLS_FLAGS_SKIP_SW
	genFlags      = skipHardware | skipSoftware
	notInHardware = 1 << 3 // TCA_CLS_FLAGS_NOT_IN_HW, as the kernel tells of all here
)
