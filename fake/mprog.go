package fake

import "github.com/nkconform/nkconform/mprog"

// change is what is asked of a hook.
type change struct {
	prog     *program // to attach or to detach; nil: whatever the flags say
	link     *link    // that owns prog
	old      *program // to replace
	flags    mprog.Flags
	relative uint32 // fd or id, 0 for none
	revision uint64 // expected; 0: any
}

// Positions count from 0. In front of the first is -1, behind the last is the
// number of programs.
const (
	front = -1
	unset = -2 // no position asked for yet
)

// attach puts a program into the list, or in another's place
// (bpf_mprog_attach). The entry's reference on the program, which is its own
// when there is no link, is the caller's to take.
func (h *hook) attach(p *Process, c change) error {
	if c.revision != 0 && c.revision != h.revision {
		return refuse(revisionStale, "expected revision %d, hook is at %d", c.revision, h.revision)
	}
	p.passed(revisionStale, c.revision, h.revision)
	if i := h.find(entry{prog: c.prog}); i >= 0 {
		return refuse(attachDuplicate, "program id %d is on the hook already, at position %d", c.prog.id, i)
	}
	p.passed(attachDuplicate, uint64(c.prog.id), 0)
	relative, err := p.relative(c.relative, c.flags, c.prog.typ)
	if err != nil {
		return err
	}
	pos := unset
	if c.flags&mprog.Replace != 0 {
		switch pos = h.find(entry{prog: c.old}); {
		case c.old == nil:
			return refuse(replaceAbsent, "a new link has no program to replace")
		case pos < 0:
			return refuse(replaceAbsent, "program id %d, to be replaced, is not on the hook", c.old.id)
		case h.entries[pos].link != c.link:
			return refuse(replaceOwned, "program id %d, to be replaced, is owned by link id %d",
				c.old.id, h.entries[pos].link.id)
		}
		p.passed(replaceOwned, uint64(c.old.id), uint64(pos))
	} else if h.count == mprog.MaxPrograms {
		return refuse(attachFull, "the hook has %d programs, the most it takes", h.count)
	} else {
		p.passed(attachFull, uint64(h.count), 0)
	}
	if pos, err = h.position(p, "replace", pos, c.flags, relative); err != nil {
		return err
	}
	if pos == unset {
		if relative.prog != nil || c.flags != 0 {
			return refuse(positionNone, "flags %s with relative object %d say nothing of where to attach",
				c.flags, c.relative)
		}
		pos = h.count
		p.passed(positionNone, uint64(pos), 0)
	}
	told := didAttach
	if c.flags&mprog.Replace != 0 {
		h.replace(pos, entry{c.prog, c.link})
	} else {
		if c.flags&mprog.Before != 0 {
			told = didAttachBehind
			pos++ // "in front of what is behind pos"
		}
		h.insert(pos, entry{c.prog, c.link})
	}
	h.revision++
	p.passed(told, uint64(pos), h.revision)
	return nil
}

// detach takes a program out of the list (bpf_mprog_detach).
func (h *hook) detach(p *Process, c change) error {
	if c.flags&mprog.Replace != 0 {
		return refuse(detachReplace, "replace asked for")
	}
	p.passed(detachReplace, 0, 0)
	if c.revision != 0 && c.revision != h.revision {
		return refuse(revisionStale, "expected revision %d, hook is at %d", c.revision, h.revision)
	}
	p.passed(revisionStale, c.revision, h.revision)
	if h.count == 0 {
		return refuse(detachEmpty, "the hook has no programs")
	}
	var typ mprog.ProgType
	if c.prog != nil {
		typ = c.prog.typ
	}
	relative, err := p.relative(c.relative, c.flags, typ)
	if err != nil {
		return err
	}
	pos := unset
	if c.prog != nil {
		if pos = h.find(entry{prog: c.prog}); pos < 0 {
			return refuse(detachAbsent, "program id %d is not on the hook", c.prog.id)
		}
		if l := h.entries[pos].link; l != c.link {
			return refuse(detachOwned, "program id %d is owned by link id %d", c.prog.id, l.id)
		}
		p.passed(detachAbsent, uint64(c.prog.id), uint64(pos))
	}
	if pos, err = h.position(p, "the program", pos, c.flags, relative); err != nil {
		return err
	}
	if pos == unset {
		if relative.prog != nil || c.flags != 0 {
			return refuse(positionNone, "flags %s with relative object %d say nothing of what to detach",
				c.flags, c.relative)
		}
		pos = h.count
		p.passed(positionNone, uint64(pos), 0)
	}
	if pos == mprog.MaxPrograms {
		return refuse(positionRange, "position %d is behind the last slot of the hook's %d programs", pos, h.count)
	}
	// In front of the first is taken for the first, behind the last for the
	// last (bpf_mprog_fetch): even when the first or last is the relative
	// object itself.
	pos = min(max(pos, 0), h.count-1)
	if e := h.entries[pos]; e.link != c.link {
		return refuse(detachOwned, "program id %d at position %d is owned by link id %d", e.prog.id, pos, e.link.id)
	}
	h.remove(pos)
	h.revision++
	p.passed(didDetach, uint64(pos), h.revision)
	return nil
}

// position finds the position that BEFORE and AFTER say. Each is looked for by
// itself; all found, and pos where it is set, must be the same one. said names
// what set pos.
func (h *hook) position(p *Process, said string, pos int, flags mprog.Flags, relative entry) (_ int, err error) {
	if flags&mprog.Before != 0 {
		if pos, err = h.beside(said, pos, "before", relative, front, -1); err != nil {
			return unset, err
		}
		said = "before"
		p.passed(relative.or(frontOfAll, besideBefore), uint64(pos), 0)
	}
	if flags&mprog.After != 0 {
		if pos, err = h.beside(said, pos, "after", relative, h.count, +1); err != nil {
			return unset, err
		}
		p.passed(relative.or(behindAll, besideAfter), uint64(pos), 0)
	}
	return pos, nil
}

// or chooses what is told: where no relative object is named, or where one is.
func (e entry) or(none, named *RuleInfo) *RuleInfo {
	if e.prog == nil {
		return none
	}
	return named
}

// beside returns the position that is a step away from the relative object, or
// the end of that side when there is none; it must be pos, if that is set
// (bpf_mprog_pos_before, bpf_mprog_pos_after).
func (h *hook) beside(said string, pos int, side string, relative entry, end, step int) (int, error) {
	at := end
	if relative.prog != nil {
		i := h.find(relative)
		if i < 0 {
			return unset, refuse(relativeAbsent, "%s: %s is not on the hook", side, relative)
		}
		at = i + step
	}
	if pos != unset && pos != at {
		return unset, refuse(positionDisagree, "%s says position %d, %s says position %d: they must agree",
			said, pos, side, at)
	}
	return at, nil
}

// find returns the position of an entry, or -1. A program is found whatever
// owns it; a link is found only with its own program.
func (h *hook) find(e entry) int {
	for i := range h.count {
		if h.entries[i].prog == e.prog && (e.link == nil || h.entries[i].link == e.link) {
			return i
		}
	}
	return -1
}

// relative finds the object that a position is relative to, which is empty when
// none is named (bpf_mprog_tuple_relative). A type of 0 matches any.
func (p *Process) relative(fdOrID uint32, flags mprog.Flags, typ mprog.ProgType) (e entry, err error) {
	switch {
	case flags&mprog.Link != 0:
		e, err = p.relativeLink(fdOrID, flags)
	case flags&mprog.ID != 0 || fdOrID != 0:
		e, err = p.relativeProg(fdOrID, flags)
	default:
		return entry{}, nil
	}
	if err != nil {
		return entry{}, err
	}
	if typ != 0 && e.prog.typ != typ {
		return entry{}, refuse(relativeType, "%s has program type %d, not %d", e, e.prog.typ, typ)
	}
	if e.link != nil {
		p.passed(relativeIsLink, uint64(e.link.id), 0)
	} else {
		p.passed(relativeIsProg, uint64(e.prog.id), 0)
	}
	return e, nil
}

// query copies the list out (bpf_mprog_query). It is called without a hook when
// nothing was ever attached, or on netkit when nothing is.
func (h *hook) query(p *Process, q *mprog.QueryRequest) (mprog.QueryResult, error) {
	if q.QueryFlags != 0 || q.AttachFlags != 0 {
		return mprog.QueryResult{}, refuse(queryFlags, "query_flags %#x, attach_flags %#x", q.QueryFlags, q.AttachFlags)
	}
	p.passed(queryFlags, 0, 0)
	res := mprog.QueryResult{Revision: 1}
	if h != nil {
		res.Revision, res.Count = h.revision, uint32(h.count)
	}
	p.passed(didQuery, res.Revision, uint64(res.Count))
	if q.Count == 0 || q.ProgIDs == nil || res.Count == 0 {
		return res, nil
	}
	if err := h.copyOut(q, int(min(q.Count, res.Count))); err != nil {
		return res, err
	}
	if q.Count < res.Count {
		return res, refuse(queryNoSpace, "room for %d of %d programs", q.Count, res.Count)
	}
	return res, nil
}

// copyOut writes the first n entries to the arrays that there are: entry after
// entry, each to all arrays, as far as their memory goes. Attach flags are 0.
func (h *hook) copyOut(q *mprog.QueryRequest, n int) error {
	entries := h.entries[:n]
	if hasRoom(q.ProgIDs, n) && hasRoom(q.ProgAttachFlags, n) && hasRoom(q.LinkIDs, n) && hasRoom(q.LinkAttachFlags, n) {
		clear(q.ProgAttachFlags[:min(n, len(q.ProgAttachFlags))])
		clear(q.LinkAttachFlags[:min(n, len(q.LinkAttachFlags))])
		progIDs := q.ProgIDs[:n]
		for i := range progIDs {
			progIDs[i] = entries[i].prog.id
		}
		if q.LinkIDs != nil {
			linkIDs := q.LinkIDs[:n]
			for i := range linkIDs {
				linkIDs[i] = entries[i].link.idOr0()
			}
		}
		return nil
	}
	for i, e := range entries {
		for _, array := range [...]struct {
			name  string
			to    []uint32
			value uint32
		}{
			{"prog_ids", q.ProgIDs, e.prog.id}, {"prog_attach_flags", q.ProgAttachFlags, 0},
			{"link_ids", q.LinkIDs, e.link.idOr0()}, {"link_attach_flags", q.LinkAttachFlags, 0},
		} {
			if !hasRoom(array.to, i+1) {
				return refuse(queryAddress, "%d entries to write, room for %d in %s", n, i, array.name)
			}
			if array.to != nil {
				array.to[i] = array.value
			}
		}
	}
	return nil
}

// hasRoom reports whether n entries of an array can be written, if it is there.
func hasRoom(array []uint32, n int) bool { return array == nil || len(array) >= n }
