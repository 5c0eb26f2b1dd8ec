package lockstep

import "github.com/nkconform/nkconform/mprog"

func (x *explorer) step(op Op) Step {
	return Step{Op: op, Device: slot(1), Type: x.u.Type, Object: zero, Second: zero, Third: zero, Relative: zero}
}

// calls returns every call of the universe that can be made in the present
// state.
func (x *explorer) calls() []Step {
	var list []Step
	links, free := x.links()
	for n := range x.u.Progs {
		list = x.positions(list, Attach, slot(n), 0)
		if free >= 0 {
			list = x.positions(list, CreateLink, slot(n), free)
		}
		list = x.positions(list, Detach, slot(n), 0)
	}
	list = x.positions(list, Detach, zero, 0)
	for count := range uint32(x.u.Progs) + 2 {
		s := x.step(Query)
		s.Count = count
		list = append(list, s)
	}
	for _, l := range links {
		for _, op := range []Op{DetachLink, Info, Close} {
			s := x.step(op)
			s.Object = l
			list = append(list, s)
		}
		list = x.updates(list, l)
	}
	return list
}

// links returns the links that there are, and the slot for another one, or -1.
func (x *explorer) links() (there []Ref, free int16) {
	free = -1
	for n := int16(firstDynamic + x.u.Links - 1); n >= firstDynamic; n-- {
		if int(n) < len(x.t.w.objects) && x.t.w.objects[n].made {
			there = append(there, slot(n))
		} else {
			free = n
		}
	}
	return there, free
}

var everyFlag = []mprog.Flags{mprog.Replace, mprog.Before, mprog.After, mprog.ID, mprog.Link}

// positions adds a call with every combination of flags, relative object,
// program to replace and revision.
func (x *explorer) positions(list []Step, op Op, object Ref, makes int16) []Step {
	links, _ := x.links()
	relatives := append([]Ref{zero, raw(unbound)}, links...)
	for n := range x.u.Progs {
		relatives = append(relatives, slot(n))
	}
	for bits := range 1 << len(everyFlag) {
		var flags mprog.Flags
		for i, bit := range everyFlag {
			if bits>>i&1 != 0 {
				flags |= bit
			}
		}
		olds := []Ref{zero}
		if op == Attach && flags&mprog.Replace != 0 {
			olds = olds[:0]
			for n := range x.u.Progs {
				olds = append(olds, slot(n))
			}
		}
		for _, relative := range relatives {
			byID := flags&mprog.ID != 0
			if byID && relative.slot() && (relative.Slot >= firstDynamic) != (flags&mprog.Link != 0) {
				continue // an id of the other kind is no object's
			}
			for _, old := range olds {
				for _, revision := range []Revision{{}, {Kind: FromCurrent}, {FromCurrent, 1}} {
					s := x.step(op)
					s.Object, s.Makes, s.Flags, s.Relative, s.ByID = object, makes, flags, relative, byID
					s.Second, s.Revision = old, revision
					list = append(list, s)
				}
			}
		}
	}
	return list
}

// updates adds every BPF_LINK_UPDATE of a link.
func (x *explorer) updates(list []Step, link Ref) []Step {
	for n := range x.u.Progs {
		for _, flags := range []mprog.Flags{0, mprog.Replace} {
			for old := int16(-1); old < x.u.Progs; old++ {
				s := x.step(UpdateLink)
				s.Object, s.Second, s.Flags = link, slot(n), flags
				if old >= 0 {
					s.Third = slot(old)
				}
				list = append(list, s)
			}
		}
	}
	return list
}
