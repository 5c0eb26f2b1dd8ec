package sim

import (
	"slices"

	"github.com/nkconform/nkconform/mprog"
)

// effective are the ids of the programs that run in a cgroup (compute_effective_progs):
// those with PREORDER first, the outermost cgroup's in front, then the others, the
// cgroup's own in front. An ancestor whose programs are not to run besides others gives
// way to whatever is nearer.
func (k *call) effective(t Target, at mprog.AttachType) (ids []uint32) {
	for _, of := range k.functionsOf(at) {
		var first, rest []uint32
		for _, id := range append([]uint64{t.ID}, t.Above...) {
			h := k.cgroups[cgroupKey{id, at, of}]
			if h == nil || len(first)+len(rest) > 0 && h.flags&allowMulti == 0 {
				continue
			}
			var own []uint32
			for _, e := range h.list {
				if e.flags&preorder != 0 {
					own = append(own, e.prog().id)
				} else {
					rest = append(rest, e.prog().id)
				}
			}
			first = append(own, first...)
		}
		ids = append(append(ids, first...), rest...)
	}
	return ids
}

// functionsOf are the functions that a kind of hook is there for, in their order: one, 0,
// for all but LSM's.
func (k *call) functionsOf(at mprog.AttachType) (list []uint32) {
	for key := range k.cgroups {
		if key.at == at && !slices.Contains(list, key.of) {
			list = append(list, key.of)
		}
	}
	slices.Sort(list)
	return list
}
