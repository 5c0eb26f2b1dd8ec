package fake

import (
	"slices"

	"github.com/nkconform/nkconform/mprog"
)

// This is kernel/bpf/cgroup.c: the other algorithm behind the flags of mprog.

// cgroupHook is one attach type of a cgroup: the progs, flags and revisions of struct
// cgroup_bpf.
type cgroupHook struct {
	mode     mprog.Flags // of the first program that is there: AllowOverride, AllowMulti or 0
	revision uint64
	list     []*cgroupEntry // of 64 at the most
}

// cgroupEntry is struct bpf_prog_list. It holds a reference on its program, or else a
// link does.
type cgroupEntry struct {
	prog  *program
	link  *link // nil: none owns the program
	flags mprog.Flags
}

// cgroupChange is what is asked of a hook (the arguments of __cgroup_bpf_attach).
type cgroupChange struct {
	prog     *program
	link     *link    // that is to own it
	old      *program // to replace; nil: none
	at       mprog.AttachType
	flags    mprog.Flags
	relative uint32
	revision uint64
}

// hook returns the hook of an attach type.
func (g *cgroup) hook(at mprog.AttachType) *cgroupHook {
	h := g.hooks[at]
	if h == nil {
		h = &cgroupHook{revision: 1}
		g.hooks[at] = h
	}
	return h
}

// attachCgroup is __cgroup_bpf_attach: a program joins the list, or takes the place of
// another. The entry's reference on a program without a link is taken here.
func (p *Process) attachCgroup(g *cgroup, c cgroupChange) error {
	multi := c.flags&mprog.AllowMulti != 0
	replace := c.flags&mprog.Replace != 0
	switch {
	case multi && c.flags&mprog.AllowOverride != 0:
		return refuse(cgroupModes, "flags %s", c.flags)
	case replace && !multi:
		return refuse(cgroupReplaceMode, "flags %s", c.flags)
	case replace && c.flags&(mprog.Before|mprog.After) != 0:
		return refuse(cgroupReplacePlace, "flags %s", c.flags)
	}
	p.passed(cgroupReplacePlace, uint64(c.flags), 0)
	h := g.hook(c.at)
	if c.revision != 0 && c.revision != h.revision {
		return refuse(cgroupStale, "expected revision %d, hook is at %d", c.revision, h.revision)
	}
	p.passed(cgroupStale, c.revision, h.revision)
	if above := g.forbids(c.at); above != nil {
		return refuse(cgroupForbidden, "cgroup %s has a program that allows none below it", above.name)
	}
	p.passed(cgroupForbidden, 0, 0)
	mode := c.flags & (mprog.AllowOverride | mprog.AllowMulti)
	if len(h.list) > 0 && h.mode != mode {
		return refuse(cgroupMode, "the hook's mode is that of flags %s, not %s", h.mode, mode)
	}
	p.passed(cgroupMode, uint64(mode), 0)
	if len(h.list) >= mprog.MaxCgroupPrograms {
		return refuse(cgroupFull, "the hook has %d programs, the most it takes", len(h.list))
	}
	p.passed(cgroupFull, uint64(len(h.list)), 0)
	place, err := h.taken(c, multi)
	if err != nil {
		return err
	}
	if place == nil {
		pos, err := p.cgroupPosition(h, c)
		if err != nil {
			return err
		}
		place = &cgroupEntry{}
		h.list = slices.Insert(h.list, pos, place)
		p.passed(didAttach, uint64(pos), h.revision+1)
	} else {
		p.passed(didReplace, uint64(place.prog.id), h.revision+1)
		defer place.prog.put()
	}
	*place = cgroupEntry{c.prog, c.link, c.flags}
	if c.link == nil {
		c.prog.get()
	}
	h.mode = mode
	h.revision++
	return nil
}

// forbids returns the ancestor whose program allows none below it, or nil
// (hierarchy_allows_attach). The nearest that has a program decides.
func (g *cgroup) forbids(at mprog.AttachType) *cgroup {
	for above := g.parent; above != nil; above = above.parent {
		h := above.hook(at)
		switch {
		case h.mode&mprog.AllowMulti != 0:
			return nil
		case len(h.list) == 0:
		case h.mode&mprog.AllowOverride != 0:
			return nil
		default:
			return above
		}
	}
	return nil
}

// taken returns the entry whose place a program takes, nil when it gets one of its own
// (find_attach_entry). Where only one program is allowed it takes that one's, whatever
// is asked for.
func (h *cgroupHook) taken(c cgroupChange, multi bool) (*cgroupEntry, error) {
	if !multi {
		if len(h.list) == 0 {
			return nil, nil
		}
		return h.list[0], nil
	}
	if c.link == nil && c.prog != c.old && h.find(c.prog, nil) >= 0 {
		return nil, refuse(cgroupDuplicate, "program id %d is on the hook already, by itself", c.prog.id)
	}
	if c.old == nil {
		return nil, nil
	}
	if i := h.find(c.old, nil); i >= 0 {
		return h.list[i], nil
	}
	return nil, refuse(cgroupReplaceAbsent, "program id %d, to be replaced, is not on the hook by itself", c.old.id)
}

// find returns the position of a program that a link owns, or that none does, or -1.
func (h *cgroupHook) find(prog *program, l *link) int {
	return slices.IndexFunc(h.list, func(e *cgroupEntry) bool { return e.link == l && (l != nil || e.prog == prog) })
}

// cgroupPosition returns where in the list a new entry goes (get_prog_list,
// insert_pl_to_hlist).
func (p *Process) cgroupPosition(h *cgroupHook, c cgroupChange) (int, error) {
	before, after := c.flags&mprog.Before != 0, c.flags&mprog.After != 0
	ofLink := c.flags&mprog.Link != 0
	named := c.flags&(mprog.Link|mprog.ID) != 0 || c.relative != 0
	switch {
	case named && before == after:
		return 0, refuse(cgroupOneSide, "flags %s with relative object %d", c.flags, c.relative)
	case named && ofLink != (c.link != nil):
		return 0, refuse(cgroupSort, "flags %s", c.flags)
	case !named && before && after && len(h.list) > 0:
		return 0, refuse(cgroupBothSides, "flags %s", c.flags)
	}
	if !named {
		if before {
			return 0, nil
		}
		return len(h.list), nil
	}
	var at entry
	var err error
	if ofLink {
		at, err = p.relativeLink(c.relative, c.flags)
	} else {
		at, err = p.relativeProg(c.relative, c.flags)
	}
	if err != nil {
		return 0, err
	}
	pos := h.find(at.prog, at.link)
	switch {
	case pos < 0:
		return 0, refuse(cgroupRelativeAbsent, "%s is not on the hook as such", at)
	case (h.list[pos].flags^c.flags)&mprog.Preorder != 0:
		return 0, refuse(cgroupPreorder, "%s has flags %s", at, h.list[pos].flags)
	case before:
		return pos, nil
	}
	return pos + 1, nil
}

// updateCgroup gives a link another program (cgroup_bpf_replace,
// __cgroup_bpf_replace). Unlike on other hooks the link's own is another, too.
func (l *link) updateCgroup(p *Process, prog, old *program) error {
	if old != nil && old != l.prog {
		return refuse(updateOldWrong, "the old program given is id %d, the link's is id %d", old.id, l.prog.id)
	}
	if prog.typ != l.prog.typ {
		return refuse(cgroupUpdateType, "program id %d has type %d, the link's %d", prog.id, prog.typ, l.prog.typ)
	}
	h := l.cgroup.hook(l.at)
	h.list[h.find(nil, l)].prog = prog
	h.revision++
	p.passed(didReplace, uint64(l.prog.id), h.revision)
	l.prog.put()
	l.prog = prog.get()
	return nil
}

// detachCgroup takes a program off (__cgroup_bpf_detach, find_detach_entry). Where one
// alone is allowed it is that one, whatever is named.
func (p *Process) detachCgroup(h *cgroupHook, prog *program, l *link, revision uint64) error {
	if revision != 0 && revision != h.revision {
		return refuse(cgroupStale, "expected revision %d, hook is at %d", revision, h.revision)
	}
	p.passed(cgroupStale, revision, h.revision)
	pos := 0
	switch {
	case h.mode&mprog.AllowMulti == 0:
		if len(h.list) == 0 {
			return refuse(cgroupDetachEmpty, "the hook has no programs")
		}
	case prog == nil && l == nil:
		return refuse(cgroupDetachNone, "attach_bpf_fd names no program of the hook's type")
	default:
		if pos = h.find(prog, l); pos < 0 {
			return refuse(cgroupDetachAbsent, "program id %d is not on the hook by itself", prog.id)
		}
	}
	e := h.list[pos]
	h.list = slices.Delete(h.list, pos, pos+1)
	h.revision++
	if len(h.list) == 0 {
		h.mode = 0
	}
	p.passed(didDetach, uint64(pos), h.revision)
	if e.link == nil {
		e.prog.put()
	}
	return nil
}

// effectiveEntry is an entry of a cgroup, which runs in another one, too.
type effectiveEntry struct {
	*cgroupEntry
	on *cgroup
}

// effective returns the programs that run in a cgroup (compute_effective_progs): those
// with PREORDER first, the outermost cgroup's in front, then the others, the cgroup's own
// in front. An ancestor whose programs are not to run besides others gives way to
// whatever is nearer.
func (g *cgroup) effective(at mprog.AttachType) []effectiveEntry {
	var first, rest []effectiveEntry
	for ; g != nil; g = g.parent {
		h := g.hook(at)
		if len(first)+len(rest) > 0 && h.mode&mprog.AllowMulti == 0 {
			continue
		}
		var own []effectiveEntry
		for _, e := range h.list {
			if e.flags&mprog.Preorder != 0 {
				own = append(own, effectiveEntry{e, g})
			} else {
				rest = append(rest, effectiveEntry{e, g})
			}
		}
		first = append(own, first...)
	}
	return append(first, rest...)
}

// queryEnd is where query.revision ends in bpf_attr.
const queryEnd = 64

// queryCgroup copies out what is attached, or with EFFECTIVE what runs
// (__cgroup_bpf_query). Links are not told.
func (p *Process) queryCgroup(g *cgroup, q *mprog.QueryRequest) (res mprog.QueryResult, err error) {
	h := g.hook(q.AttachType)
	var progs []*program
	for _, e := range h.list {
		progs = append(progs, e.prog)
	}
	effective := q.QueryFlags&mprog.QueryEffective != 0
	if effective && q.ProgAttachFlags != nil {
		return res, refuse(cgroupQueryFlags, "prog_attach_flags of effective programs")
	}
	p.passed(cgroupQueryFlags, uint64(q.QueryFlags), 0)
	if effective {
		progs = nil
		for _, e := range g.effective(q.AttachType) {
			progs = append(progs, e.prog)
		}
	} else {
		res.AttachFlags = uint32(h.mode)
		seen := q.Size == 0 || q.Size >= queryEnd // the caller's attr has room for it
		if seen && !p.kernel.missing[mprog.FeatureCgroupMprog] {
			res.Revision = h.revision
		}
	}
	res.Count = uint32(len(progs))
	p.passed(didQuery, res.Revision, uint64(res.Count))
	if q.Count == 0 || q.ProgIDs == nil || len(progs) == 0 {
		return res, nil
	}
	n := min(len(progs), int(q.Count))
	for i, prog := range progs[:n] {
		if i >= len(q.ProgIDs) {
			return res, refuse(queryAddress, "prog_ids has room for %d of %d", len(q.ProgIDs), n)
		}
		q.ProgIDs[i] = prog.id
	}
	if q.ProgAttachFlags != nil {
		for i := range n {
			if i >= len(q.ProgAttachFlags) {
				return res, refuse(queryAddress, "prog_attach_flags has room for %d of %d", len(q.ProgAttachFlags), n)
			}
			q.ProgAttachFlags[i] = uint32(h.mode)
		}
	}
	if n < len(progs) {
		return res, refuse(queryNoSpace, "room for %d of %d programs", q.Count, res.Count)
	}
	return res, nil
}
