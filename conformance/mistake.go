package conformance

import (
	"slices"

	"github.com/nkconform/nkconform/fake"
	"github.com/nkconform/nkconform/mprog"
)

// mistake is something that a library may do wrong with a request before the
// kernel sees it. Requests of all operations are told as that of an attach.
type mistake struct {
	as     string // behind "as if"
	ops    []mprog.Op
	change func(*mprog.AttachRequest) // nil: the call is not made, and succeeds
}

// changes says that the mistake makes a difference to a request.
func (m mistake) changes(r mprog.AttachRequest) bool {
	if m.change == nil {
		return true
	}
	before := r
	m.change(&r)
	return r != before
}

var (
	placing  = []mprog.Op{mprog.OpProgAttach, mprog.OpProgDetach, mprog.OpLinkCreate}
	changing = append(slices.Clone(placing), mprog.OpLinkUpdate)
	shaped   = append(slices.Clone(changing), mprog.OpLinkDetach, mprog.OpProgQuery)
)

// mistakes are tried in this order; of two that explain the same the first is told.
var mistakes = []mistake{
	{"flags were left out", changing, func(r *mprog.AttachRequest) { r.Flags = 0 }},
	{"flags and the relative object were left out", placing, func(r *mprog.AttachRequest) { r.Flags, r.Relative = 0, 0 }},
	{"unknown flags were left out", changing, func(r *mprog.AttachRequest) { r.Flags &= mprog.AttachMask }},
	{"a replacement were appended", []mprog.Op{mprog.OpProgAttach}, func(r *mprog.AttachRequest) { r.Flags, r.ReplaceFD = r.Flags&^mprog.Replace, 0 }},
	{"replace_bpf_fd, or old_prog_fd, were left out", changing, func(r *mprog.AttachRequest) { r.ReplaceFD = 0 }},
	{"expected_revision were left out", placing, func(r *mprog.AttachRequest) { r.ExpectedRevision = 0 }},
	{"before and after were swapped", placing, func(r *mprog.AttachRequest) {
		side := mprog.Before | mprog.After
		if r.Flags&side == mprog.Before || r.Flags&side == mprog.After {
			r.Flags ^= side
		}
	}},
	{"before and after were left out", placing, func(r *mprog.AttachRequest) { r.Flags &^= mprog.Before | mprog.After }},
	{"the relative object were left out", placing, func(r *mprog.AttachRequest) {
		r.Flags, r.Relative = r.Flags&^(mprog.ID|mprog.Link), 0
	}},
	{"relative_fd and relative_id were left out", placing, func(r *mprog.AttachRequest) { r.Relative = 0 }},
	{"relative_fd and relative_id were mixed up", placing, func(r *mprog.AttachRequest) {
		if r.Relative != 0 {
			r.Flags ^= mprog.ID
		}
	}},
	{"relative_id were passed as relative_fd", placing, func(r *mprog.AttachRequest) { r.Flags &^= mprog.ID }},
	{"relative_fd were passed as relative_id", placing, func(r *mprog.AttachRequest) {
		if r.Relative != 0 {
			r.Flags |= mprog.ID
		}
	}},
	{"relative programs and links were mixed up", placing, func(r *mprog.AttachRequest) {
		if r.Relative != 0 {
			r.Flags ^= mprog.Link
		}
	}},
	{"a relative link were passed as a program", placing, func(r *mprog.AttachRequest) { r.Flags &^= mprog.Link }},
	{"the program were left out", []mprog.Op{mprog.OpProgDetach}, func(r *mprog.AttachRequest) { r.AttachFD = 0 }},
	{"the two hooks of a device were mixed up", placing, func(r *mprog.AttachRequest) {
		if other, ok := otherHook[r.AttachType]; ok {
			r.AttachType = other
		}
	}},
	{"sizes of bpf_attr (size, junk) were passed over", shaped, func(r *mprog.AttachRequest) { r.Shape = mprog.Shape{} }},
	{"the call were not made", append(slices.Clone(changing), mprog.OpLinkDetach), nil},
}

var otherHook = map[mprog.AttachType]mprog.AttachType{
	mprog.NetkitPrimary: mprog.NetkitPeer, mprog.NetkitPeer: mprog.NetkitPrimary,
	mprog.TCXIngress: mprog.TCXEgress, mprog.TCXEgress: mprog.TCXIngress,
}

// mistaken is a fake behind a library that makes a mistake in one operation.
type mistaken struct {
	*fake.Kernel
	mistake
	op    mprog.Op
	ruled bool // it says by which rule it refuses
}

// spoil does to a request what the mistake does. It returns false if the call is not
// to be made at all.
func (l mistaken) spoil(op mprog.Op, r *mprog.AttachRequest) bool {
	if op != l.op {
		return true
	}
	if l.change != nil {
		l.change(r)
	}
	return l.change != nil
}

func (l mistaken) ProgAttach(r mprog.AttachRequest) error {
	if !l.spoil(mprog.OpProgAttach, &r) {
		return nil
	}
	return l.Kernel.ProgAttach(r)
}

func (l mistaken) ProgDetach(r mprog.DetachRequest) error {
	if !l.spoil(mprog.OpProgDetach, (*mprog.AttachRequest)(&r)) {
		return nil
	}
	return l.Kernel.ProgDetach(r)
}

func (l mistaken) LinkCreate(r mprog.LinkCreateRequest) (uint32, error) {
	a := mprog.AttachRequest{Shape: r.Shape, TargetIfindex: r.TargetIfindex, AttachFD: r.ProgFD, AttachType: r.AttachType,
		Flags: r.Flags, Relative: r.Relative, ExpectedRevision: r.ExpectedRevision}
	l.spoil(mprog.OpLinkCreate, &a)
	return l.Kernel.LinkCreate(mprog.LinkCreateRequest{Shape: a.Shape, TargetIfindex: a.TargetIfindex, ProgFD: a.AttachFD,
		AttachType: a.AttachType, Flags: a.Flags, Relative: a.Relative, ExpectedRevision: a.ExpectedRevision})
}

func (l mistaken) LinkUpdate(r mprog.LinkUpdateRequest) error {
	a := mprog.AttachRequest{Shape: r.Shape, AttachFD: r.NewProgFD, Flags: r.Flags, ReplaceFD: r.OldProgFD}
	if !l.spoil(mprog.OpLinkUpdate, &a) {
		return nil
	}
	return l.Kernel.LinkUpdate(mprog.LinkUpdateRequest{Shape: a.Shape, LinkFD: r.LinkFD, NewProgFD: a.AttachFD, Flags: a.Flags, OldProgFD: a.ReplaceFD})
}

func (l mistaken) LinkDetach(r mprog.LinkDetachRequest) error {
	a := mprog.AttachRequest{Shape: r.Shape}
	if !l.spoil(mprog.OpLinkDetach, &a) {
		return nil
	}
	return l.Kernel.LinkDetach(mprog.LinkDetachRequest{Shape: a.Shape, LinkFD: r.LinkFD})
}

func (l mistaken) ProgQuery(r mprog.QueryRequest) (mprog.QueryResult, error) {
	a := mprog.AttachRequest{Shape: r.Shape}
	l.spoil(mprog.OpProgQuery, &a)
	r.Shape = a.Shape
	return l.Kernel.ProgQuery(r)
}
