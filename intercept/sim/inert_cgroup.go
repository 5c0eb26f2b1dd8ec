package sim

import (
	"fmt"
	"slices"

	"github.com/nkconform/nkconform/fake"
	"github.com/nkconform/nkconform/mprog"
	"github.com/nkconform/nkconform/mprog/attr"
)

// Flags of cgroups (include/uapi/linux/bpf.h).
const (
	allowOverride mprog.Flags = 1 << 0
	allowMulti    mprog.Flags = 1 << 1
	preorder      mprog.Flags = 1 << 6

	cgroupMode = allowOverride | allowMulti
	// cgroupPlace are those of mprog, which cgroups do not have in every release.
	cgroupPlace = mprog.Before | mprog.After | mprog.ID | mprog.Link

	mostInCgroup = 64 // BPF_CGROUP_MAX_PROGS
)

// sockmapLinks is the release from which on there are links at maps.
var sockmapLinks = fake.Version(6, 10)

// cgroupKey is a hook of a cgroup; LSM programs have one for each function.
type cgroupKey struct {
	id uint64 // the inode's number
	at mprog.AttachType
	of uint32
}

// cgroupHook is what is attached there (struct cgroup_bpf).
type cgroupHook struct {
	flags    mprog.Flags // of the first program
	revision uint64
	list     []*cgroupEntry
}

// cgroupEntry is a struct bpf_prog_list.
type cgroupEntry struct {
	link    *inertLink // or
	program *attached
	flags   mprog.Flags
}

func (e *cgroupEntry) prog() *program {
	if e.link != nil {
		return e.link.prog
	}
	return e.program.prog
}

// cgroup finds the cgroup that an fd refers to (cgroup_get_from_fd).
func (k *call) cgroup(fd uint32) (Target, error) {
	t, open := k.caller.Target(fd)
	if !open || t.Kind != CgroupTarget {
		return t, refuse("attach-type/cgroup", mprog.EBADF, "target_fd %d is not the fd of a cgroup", int32(fd))
	}
	return t, nil
}

func (s *Sim) cgroupHook(id uint64, at mprog.AttachType, of uint32) *cgroupHook {
	if s.cgroups == nil {
		s.cgroups = make(map[cgroupKey]*cgroupHook)
	}
	if at != lsmCgroup {
		of = 0
	}
	key := cgroupKey{id, at, of}
	h := s.cgroups[key]
	if h == nil {
		h = &cgroupHook{revision: 1}
		s.cgroups[key] = h
	}
	return h
}

// placesCgroups reports whether programs have places on cgroups, and lists revisions.
func (k *call) placesCgroups() bool { return k.kernel.Supports(mprog.FeatureCgroupMprog) == nil }

// attachCgroup is cgroup_bpf_prog_attach.
func (k *call) attachCgroup(o *Object, p *program, r mprog.AttachRequest) error {
	known := cgroupMode | mprog.Replace | preorder
	if k.placesCgroups() {
		known |= cgroupPlace
	}
	if r.Flags&^known != 0 {
		return refuse("flags/unknown", mprog.EINVAL, "flags %s: unknown here", r.Flags)
	}
	t, err := k.cgroup(r.TargetIfindex)
	if err != nil {
		return err
	}
	var old *program
	if r.Flags&allowMulti != 0 && r.Flags&mprog.Replace != 0 {
		if _, old, err = k.progByFD("replace_bpf_fd", r.ReplaceFD); err != nil {
			return err
		}
	}
	e := &cgroupEntry{program: &attached{prog: p}, flags: r.Flags}
	h := k.cgroupHook(t.ID, r.AttachType, p.attachBTF)
	if err := k.insert(h, e, old, r.Flags, r.Relative, r.ExpectedRevision); err != nil {
		return err
	}
	e.program = k.attach(o, p)
	k.neverRuns(cgroupWhat(r.AttachType, t))
	return nil
}

func cgroupWhat(at mprog.AttachType, t Target) string {
	return fmt.Sprintf("%s/%s", attachName(at), t.Name)
}

// linkCgroup is cgroup_bpf_link_attach.
func (k *call) linkCgroup(o *Object, p *program, r mprog.LinkCreateRequest) error {
	known := mprog.Flags(0)
	if k.placesCgroups() {
		known = allowMulti | preorder | cgroupPlace
	} else {
		r.Relative, r.ExpectedRevision = 0, 0
	}
	if r.Flags&^known != 0 {
		return refuse("flags/unknown", mprog.EINVAL, "flags %s: unknown here", r.Flags)
	}
	t, err := k.cgroup(r.TargetIfindex)
	if err != nil {
		return err
	}
	l := &inertLink{kind: cgroupLink, what: cgroupWhat(r.AttachType, t), prog: p}
	h := k.cgroupHook(t.ID, r.AttachType, p.attachBTF)
	e := &cgroupEntry{link: l, flags: r.Flags | allowMulti}
	if err := k.insert(h, e, nil, r.Flags|allowMulti, r.Relative, r.ExpectedRevision); err != nil {
		k.kernel.UseID()
		return err
	}
	l.detach = func() { h.remove(e) }
	l.info = func(_ *call, _, out []byte) error {
		if l.detach != nil {
			native.PutUint64(out[16:], t.ID)
		}
		native.PutUint32(out[24:], uint32(r.AttachType))
		return nil
	}
	l.update = func(_ *call, to, old *program) error {
		switch {
		case l.detach == nil:
			return refuse("update/defunct", mprog.ENOLINK, "link id %d is defunct", l.id)
		case l.oldProgram(old) != nil:
			return l.oldProgram(old)
		case to.typ != l.prog.typ:
			return refuse("update/type", mprog.EINVAL, "program id %d has type %d, the link's %d", to.id, to.typ, l.prog.typ)
		}
		h.revision++
		return nil
	}
	if err := k.addInert(l, o, p); err != nil {
		h.remove(e)
		return err
	}
	return nil
}

// insert is __cgroup_bpf_attach.
func (k *call) insert(h *cgroupHook, e *cgroupEntry, old *program, flags mprog.Flags, relative uint32, revision uint64) error {
	mode := flags & cgroupMode
	switch {
	case mode == cgroupMode, flags&mprog.Replace != 0 && flags&allowMulti == 0:
		return refuse("cgroup/flags", mprog.EINVAL, "flags %s", flags)
	case flags&mprog.Replace != 0 && old == nil:
		return refuse("cgroup/flags", mprog.EINVAL, "replace asked for, and no program named")
	case revision != 0 && revision != h.revision:
		return refuse("revision/stale", mprog.ESTALE, "expected revision %d, hook is at %d", revision, h.revision)
	case len(h.list) > 0 && h.flags != mode:
		return refuse("cgroup/mode", mprog.EPERM, "what is attached has flags %s", h.flags)
	case len(h.list) >= mostInCgroup:
		return refuse("cgroup/full", mprog.E2BIG, "the hook has %d programs", len(h.list))
	}
	at, err := h.find(e, old, flags&allowMulti != 0)
	if err != nil {
		return err
	}
	if at >= 0 {
		k.drop(h.list[at].program)
		h.list[at] = e
	} else {
		if at, err = k.position(h, e, flags, relative); err != nil {
			return err
		}
		h.list = slices.Insert(h.list, at, e)
	}
	h.flags = mode
	h.revision++
	return nil
}

// find is find_attach_entry: the entry to be replaced, -1 for none.
func (h *cgroupHook) find(e *cgroupEntry, old *program, multi bool) (int, error) {
	if !multi {
		return min(len(h.list), 1) - 1, nil
	}
	for _, each := range h.list {
		if e.link == nil && each.link == nil && each.program.prog == e.program.prog && e.program.prog != old {
			return 0, refuse("cgroup/twice", mprog.EINVAL, "program id %d is attached already", e.program.prog.id)
		}
	}
	if old == nil {
		return -1, nil
	}
	i := slices.IndexFunc(h.list, func(each *cgroupEntry) bool { return each.link == nil && each.program.prog == old })
	if i < 0 {
		return 0, refuse("cgroup/replace-none", mprog.ENOENT, "program id %d is not attached", old.id)
	}
	return i, nil
}

// position is get_prog_list and insert_pl_to_hlist: where in the list.
func (k *call) position(h *cgroupHook, e *cgroupEntry, flags mprog.Flags, relative uint32) (int, error) {
	before, after := flags&mprog.Before != 0, flags&mprog.After != 0
	byLink, byID := flags&mprog.Link != 0, flags&mprog.ID != 0
	if !byLink && !byID && relative == 0 {
		switch {
		case len(h.list) > 0 && before && after:
			return 0, refuse("cgroup/position", mprog.EINVAL, "both before and after")
		case before:
			return 0, nil
		}
		return len(h.list), nil
	}
	if before == after {
		return 0, refuse("cgroup/position", mprog.EINVAL, "one of before and after is needed")
	}
	id, err := k.anchor(relative, byLink, byID)
	if err != nil {
		return 0, err
	}
	if byLink != (e.link != nil) {
		return 0, refuse("cgroup/anchor", mprog.EINVAL, "programs are placed by programs, links by links")
	}
	i := slices.IndexFunc(h.list, func(each *cgroupEntry) bool {
		if byLink {
			return each.link != nil && each.link.id == id
		}
		return each.link == nil && each.program.prog.id == id
	})
	if i < 0 {
		return 0, refuse("cgroup/anchor-none", mprog.ENOENT, "the relative object is not attached here")
	}
	if h.list[i].flags&preorder != flags&preorder {
		return 0, refuse("cgroup/anchor", mprog.EINVAL, "the relative object is of the other order")
	}
	if after {
		i++
	}
	return i, nil
}

// anchor is the id of a relative object.
func (k *call) anchor(relative uint32, byLink, byID bool) (uint32, error) {
	if byID {
		known := byLink && k.kernel.HasLink(relative) || !byLink && k.kernel.HasProg(relative)
		if !known {
			return 0, refuse("cgroup/anchor-none", mprog.ENOENT, "nothing has id %d", relative)
		}
		return relative, nil
	}
	o, open := k.caller.Object(relative)
	want := Prog
	if byLink {
		want = Link
	}
	switch {
	case !open:
		return 0, refuse("relative/bad-fd", mprog.EBADF, "relative_fd %d is not open", int32(relative))
	case o == nil || o.Kind != want:
		return 0, refuse("relative/kind", mprog.EINVAL, "relative_fd %d is something else", int32(relative))
	}
	return o.ID, nil
}

func (h *cgroupHook) remove(e *cgroupEntry) {
	if i := slices.Index(h.list, e); i >= 0 {
		h.list = slices.Delete(h.list, i, i+1)
		h.revision++
	}
	if len(h.list) == 0 {
		h.flags = 0
	}
}

// detachCgroup is cgroup_bpf_prog_detach.
func (k *call) detachCgroup(r mprog.DetachRequest) error {
	if r.Flags != 0 || r.Relative != 0 {
		return refuse("cgroup/detach-flags", mprog.EINVAL, "flags %s, relative_fd %d", r.Flags, r.Relative)
	}
	t, err := k.cgroup(r.TargetIfindex)
	if err != nil {
		return err
	}
	_, p, err := k.progByFD("attach_bpf_fd", r.AttachFD)
	if err != nil {
		p = nil // whether one must be named depends on what is attached
	}
	of := uint32(0)
	if p != nil {
		of = p.attachBTF
	}
	h := k.cgroupHook(t.ID, r.AttachType, of)
	switch {
	case r.ExpectedRevision != 0 && r.ExpectedRevision != h.revision:
		return refuse("revision/stale", mprog.ESTALE, "expected revision %d, hook is at %d", r.ExpectedRevision, h.revision)
	case h.flags&allowMulti == 0 && len(h.list) == 0:
		return refuse("detach/none", mprog.ENOENT, "nothing is attached")
	case h.flags&allowMulti != 0 && p == nil:
		return refuse("cgroup/unnamed", mprog.EINVAL, "which program is not said")
	}
	for _, e := range h.list {
		if h.flags&allowMulti == 0 || e.link == nil && e.program.prog == p {
			h.remove(e)
			k.drop(e.program)
			return nil
		}
	}
	return refuse("detach/none", mprog.ENOENT, "the program is not attached")
}

// queryCgroup is cgroup_bpf_prog_query.
func (k *call) queryCgroup(r *mprog.QueryRequest, arrays attr.Arrays) error {
	t, err := k.cgroup(r.TargetIfindex)
	if err != nil {
		return err
	}
	effective := r.QueryFlags&1 != 0
	switch {
	case effective && arrays.ProgAttachFlags != 0:
		return refuse("cgroup/query", mprog.EINVAL, "flags of effective programs are not told")
	case effective:
		return k.answerQuery(r, arrays, k.effective(t, r.AttachType), nil, mprog.QueryResult{})
	}
	var ids, flags []uint32
	res := mprog.QueryResult{}
	for key, h := range k.cgroups {
		if key.id != t.ID || key.at != r.AttachType {
			continue
		}
		if key.at != lsmCgroup {
			res.AttachFlags = uint32(h.flags)
			if k.placesCgroups() {
				res.Revision = h.revision
			}
		}
		for _, e := range h.list {
			ids = append(ids, e.prog().id)
			flags = append(flags, uint32(h.flags))
		}
	}
	if res.Revision == 0 && r.AttachType != lsmCgroup && k.placesCgroups() {
		res.Revision = 1
	}
	return k.answerQuery(r, arrays, ids, flags, res)
}
