package fake

import (
	"cmp"
	"maps"
	"slices"

	"github.com/nkconform/nkconform/mprog"
)

// CgroupShot is a cgroup with its hooks.
type CgroupShot struct {
	Name, Parent string // Parent "": the one that everything begins in, which is not told of
	ID           uint64
	Members      []int            // processes: 0 is the first, then they are numbered as they came
	Hooks        []CgroupHookShot // of every attach type that a cgroup has or had a program of
}

// CgroupHookShot is a hook of a cgroup.
type CgroupHookShot struct {
	Type      mprog.AttachType
	Mode      mprog.Flags // AllowOverride, AllowMulti or 0
	Revision  uint64
	Entries   []CgroupEntryShot // in the order of the list, as a query tells them
	Effective []CgroupEntryShot // what runs in the cgroup, in order
}

// CgroupEntryShot is a program in a list of a cgroup.
type CgroupEntryShot struct {
	EntryShot
	Preorder bool
	On       string // name of the cgroup that it is attached to
}

// shootCgroups looks at all cgroups, each behind the one that it is in.
func (k *Kernel) shootCgroups() (list []CgroupShot) {
	used := map[mprog.AttachType]bool{}
	var every []*cgroup
	var walk func(*cgroup)
	walk = func(g *cgroup) {
		for _, c := range slices.SortedFunc(maps.Values(g.children), func(a, b *cgroup) int { return cmp.Compare(a.id, b.id) }) {
			every = append(every, c)
			for at, h := range c.hooks {
				used[at] = used[at] || h.revision > 1
			}
			walk(c)
		}
	}
	walk(k.topCgroup)
	for _, g := range every {
		shot := CgroupShot{Name: g.name, ID: g.id, Parent: g.parent.name}
		for i, p := range append([]*Process{k.Process}, k.children...) {
			if p.cgroup == g && !p.exited {
				shot.Members = append(shot.Members, i)
			}
		}
		for _, at := range slices.Sorted(maps.Keys(used)) {
			if used[at] {
				shot.Hooks = append(shot.Hooks, g.shoot(at))
			}
		}
		list = append(list, shot)
	}
	return list
}

// shoot looks at a hook of a cgroup.
func (g *cgroup) shoot(at mprog.AttachType) CgroupHookShot {
	shot := CgroupHookShot{Type: at, Revision: 1}
	if h := g.hooks[at]; h != nil {
		shot.Mode, shot.Revision = h.mode, h.revision
		for _, e := range h.list {
			shot.Entries = append(shot.Entries, effectiveEntry{e, g}.shoot())
		}
	}
	for _, e := range g.effective(at) {
		shot.Effective = append(shot.Effective, e.shoot())
	}
	return shot
}

func (e effectiveEntry) shoot() CgroupEntryShot {
	return CgroupEntryShot{EntryShot{e.prog.id, e.link.idOr0(), e.prog.ret}, e.flags&mprog.Preorder != 0, e.on.name}
}
