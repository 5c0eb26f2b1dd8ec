package trace

import "github.com/nkconform/nkconform/mprog"

// FilterFields writes what a list of filters tells besides their programs: one
// number for each, in the list's order.
func FilterFields(list []mprog.Filter) []Field {
	column := func(name string, of func(mprog.Filter) uint32) Field {
		numbers := make([]uint32, len(list))
		for i, f := range list {
			numbers[i] = of(f)
		}
		return Field{name, FormatNumbers(numbers)}
	}
	return []Field{
		column("chain", func(f mprog.Filter) uint32 { return f.Chain }),
		column("prio", func(f mprog.Filter) uint32 { return uint32(f.Priority) }),
		column("protocol", func(f mprog.Filter) uint32 { return uint32(f.Protocol) }),
		column("handle", func(f mprog.Filter) uint32 { return f.Handle }),
		column("bpf_flags", func(f mprog.Filter) uint32 { return uint32(f.BPFFlags) }),
	}
}
