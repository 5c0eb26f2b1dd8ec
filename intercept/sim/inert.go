package sim

import (
	"fmt"

	"github.com/nkconform/nkconform/mprog"
	"github.com/nkconform/nkconform/mprog/attr"
)

// Links of kinds that are not modelled are inert: they can be made, found,
// updated, pinned, detached and closed as a kernel's can, and their programs never
// run, which is told.

// inertLink is such a link.
type inertLink struct {
	kind linkKind
	id   uint32
	prog *program
	what string // it is attached to, such as kprobe/tcp_connect
	// info writes what struct bpf_link_info has of this kind, from in, what the
	// caller has put there.
	info func(k *call, in, out []byte) error
	// detach takes the link off what it is attached to: nil if that cannot be, or
	// has been.
	detach func()
	// update says whether the link takes another program; nil: none does.
	update func(k *call, to, old *program) error
	filter [3]int64 // of netfilter: family, hook and priority
	// task is what BPF_TASK_FD_QUERY tells.
	task *taskFD
	ops  *bpfMap // of struct_ops, nil once detached
}

// linkKind is a kind of links that are inert.
type linkKind struct {
	number mprog.LinkType // enum bpf_link_type
	name   string         // as fdinfo has it
	// detaches: BPF_LINK_DETACH knows what to do.
	detaches bool
}

var (
	rawTracepointLink = linkKind{1, "raw_tracepoint", false}
	tracingLink       = linkKind{2, "tracing", false}
	cgroupLink        = linkKind{3, "cgroup", true}
	iterLink          = linkKind{4, "iter", false}
	netnsLink         = linkKind{5, "netns", true}
	perfLink          = linkKind{7, "perf", false}
	kprobeMultiLink   = linkKind{8, "kprobe_multi", false}
	netfilterLink     = linkKind{10, "netfilter", true}
	uprobeMultiLink   = linkKind{12, "uprobe_multi", false}
	sockmapLink       = linkKind{14, "sockmap", true}
)

// addInert makes the link of a request that was found to be right, and gives the
// caller its fd.
func (k *call) addInert(l *inertLink, o *Object, p *program) error {
	fd, ok := k.holder.LinkAny(o.held, l.kind.number)
	if !ok {
		return refuse("prog/not-a-program", mprog.EINVAL, "what is to be attached is no program")
	}
	made, err := k.adopt(fd)
	if err != nil {
		return err
	}
	l.id, l.prog = made.ID, p
	k.inert[l.id] = l
	made.made = true
	k.New = made
	k.neverRuns(l.what)
	return nil
}

// neverRuns tells that what is attached does not run.
func (k *call) neverRuns(what string) { k.warn(what + ": attached, never runs") }

// releaseInert lets go of what links held that are gone.
func (s *Sim) releaseInert() {
	for id, l := range s.inert {
		if s.kernel.HasLink(id) {
			continue
		}
		delete(s.inert, id)
		if l.detach != nil {
			l.detach()
		}
	}
}

// inertLinkOf returns what is known of the link behind a caller's fd, nil if it is of
// a kind that is modelled, or no link.
func (k *call) inertLinkOf(fd uint32) (*inertLink, *Object) {
	if len(k.inert) == 0 {
		return nil, nil
	}
	o, _ := k.caller.Object(fd)
	if o == nil || o.Kind != Link {
		return nil, nil
	}
	return k.inert[o.ID], o
}

// instead makes a call that the fake does not answer by itself, with faults and
// observers as for one that it does.
func (k *call) instead(op mprog.Op, request any, do func() error) error {
	if !k.kernel.Watched() {
		return do()
	}
	err := k.standIn(k.caller).Announce(op, request, func() (any, error) { return nil, do() })
	if err != nil && k.New != nil {
		k.New.close()
		k.New = nil
	}
	return err
}

// checkTail is CHECK_ATTR of a command that the fake would check.
func (k *call) checkTail(number uint32) error {
	_, end, last, _ := k.kernel.Layout(number)
	if at := nonzero(k.attr, last, min(k.size, end)); at < min(k.size, end) {
		return refuse("attr/tail", mprog.EINVAL, "byte %d is nonzero, the command's last field ends at %d", at, last)
	}
	return nil
}

// updateInert is link_update of an inert link.
func (k *call) updateInert(l *inertLink, o *Object, r mprog.LinkUpdateRequest) error {
	if err := k.checkTail(29); err != nil {
		return err
	}
	if r.Flags&^mprog.Replace != 0 {
		return refuse("update/flags", mprog.EINVAL, "flags %s", r.Flags)
	}
	to, next, err := k.progByFD("new_prog_fd", r.NewProgFD)
	if err != nil {
		return err
	}
	var old *program
	switch {
	case r.Flags&mprog.Replace != 0:
		if _, old, err = k.progByFD("old_prog_fd", r.OldProgFD); err != nil {
			return err
		}
	case r.OldProgFD != 0:
		return refuse("update/old-set", mprog.EINVAL, "old_prog_fd is %d and replace not asked for", r.OldProgFD)
	}
	if l.update == nil {
		return refuse("update/kind", mprog.EINVAL, "a %s link takes no other program", l.kind.name)
	}
	if err := l.update(k, next, old); err != nil {
		return err
	}
	if !k.holder.Relink(o.held, to.held) {
		return fmt.Errorf("update of link %d: %w", l.id, mprog.ErrUnsupported)
	}
	l.prog = next
	k.sweep()
	return nil
}

// oldProgram is the check that links make of the program that is to be replaced.
func (l *inertLink) oldProgram(old *program) error {
	if old != nil && old.id != l.prog.id {
		return refuse("update/old-wrong", mprog.EPERM, "the old program given is id %d, the link's is id %d", old.id, l.prog.id)
	}
	return nil
}

// detachInert is link_detach of an inert link.
func (k *call) detachInert(l *inertLink) error {
	if err := k.checkTail(34); err != nil {
		return err
	}
	if !l.kind.detaches {
		return refuse("detach/kind", mprog.EOPNOTSUPP, "a %s link is detached by its last reference alone", l.kind.name)
	}
	if l.detach != nil {
		l.detach()
		l.detach = nil
	}
	return nil
}

// inertProgram returns the program that a request names if its attaching is not the
// fake's business.
func (k *call) inertProgram(fd uint32) (*Object, *program) {
	o, _ := k.caller.Object(fd)
	if o == nil || o.Kind != Prog {
		return nil, nil
	}
	p := k.programs[o.ID]
	if p == nil || mprog.ProgType(p.typ) == mprog.SchedCLS || mprog.ProgType(p.typ) == mprog.XDP {
		return nil, nil
	}
	return o, p
}

// linkInert makes a link of a program that the fake does not attach
// (link_create).
func (k *call) linkInert(o *Object, p *program, r mprog.LinkCreateRequest) error {
	if err := k.checkTail(28); err != nil {
		return err
	}
	if err := k.fits(p, r.AttachType); err != nil {
		return err
	}
	if err := k.refusedKind(attachmentOf(p, r.AttachType)); err != nil {
		return err
	}
	switch t := r.AttachType; {
	case ofCgroup(p.typ, t):
		return k.linkCgroup(o, p, r)
	case p.typ == progExt || (p.typ == progTracing || p.typ == progLSM):
		if p.typ != progExt && uint32(t) != p.attach {
			return refuse("attach-type/mismatch", mprog.EINVAL, "the program is for attach type %d", p.attach)
		}
		if t == traceIter && p.typ == progTracing {
			return k.linkIter(o, p, r)
		}
		return k.linkTracing(o, p, r)
	case p.typ == progFlowDissector, p.typ == progSkLookup:
		return k.linkNetns(o, p, r)
	case p.typ == progSkMsg, p.typ == progSkSkb:
		return k.linkSockmap(o, p, r)
	case p.typ == progNetfilter:
		return k.linkNetfilter(o, p, r)
	case t == attachPerf:
		return k.linkPerf(o, p, r)
	case t == kprobeMulti, t == kprobeSession:
		return k.linkKprobes(o, p, r)
	case t == uprobeMulti, t == uprobeSession:
		return k.linkUprobes(o, p, r)
	}
	return refuse("attach-type/mismatch", mprog.EINVAL, "programs of type %d have no links", p.typ)
}

// linkInfoOf completes a struct bpf_link_info; in is what the caller has put there.
func (k *call) linkInfoOf(l *inertLink, in, out []byte) error {
	if l.prog == nil {
		native.PutUint32(out[8:], 0)
	} else {
		native.PutUint32(out[8:], l.prog.id)
	}
	if l.info == nil {
		return nil
	}
	return l.info(k, in, out)
}

// copyText is bpf_copy_to_user into a caller's buffer of a text's bytes.
func (k *call) copyText(text string, address uint64, room uint32) error {
	if address == 0 {
		return nil
	}
	p := append([]byte(text), 0)
	if uint32(len(p)) <= room {
		return k.write(Segment{address, p})
	}
	p = append(p[:room-1:room-1], 0)
	if err := k.write(Segment{address, p}); err != nil {
		return err
	}
	return refuse("info/no-space", mprog.ENOSPC, "room for %d bytes of %q", room, text)
}

// textInfo fills an address and a length of a text: what the caller wants of it,
// and how long it is.
func textInfo(text func() string, address, length int) func(*call, []byte, []byte) error {
	return func(k *call, in, out []byte) error {
		to, room := native.Uint64(in[address:]), native.Uint32(in[length:])
		if (to == 0) != (room == 0) {
			return refuse("info/name", mprog.EINVAL, "name at %#x with a length of %d", to, room)
		}
		native.PutUint64(out[address:], to)
		native.PutUint32(out[length:], uint32(len(text())+1))
		return k.copyText(text(), to, room)
	}
}

// otherAttach is what attaches a program where the fake has no hooks; nil if it has.
func (k *call) otherAttach(r mprog.AttachRequest) func() error {
	o, p := k.inertProgram(r.AttachFD)
	if p == nil || k.programType(r.AttachType) == 0 || r.AttachType.TCX() || r.AttachType.Netkit() {
		return nil
	}
	return func() error {
		switch {
		case k.checkTail(8) != nil:
			return k.checkTail(8)
		case k.programType(r.AttachType) != p.typ || k.fits(p, r.AttachType) != nil:
			return refuse("attach-type/mismatch", mprog.EINVAL, "attach type %s takes no such program (type %d, for attach type %s)",
				attachName(r.AttachType), p.typ, attachName(mprog.AttachType(p.attach)))
		case k.refusedKind(attachmentOf(p, r.AttachType)) != nil:
			return k.refusedKind(attachmentOf(p, r.AttachType))
		case ofCgroup(p.typ, r.AttachType):
			return k.attachCgroup(o, p, r)
		case r.Flags&^(cgroupMode|mprog.Replace|preorder) != 0 || r.Relative != 0 || r.ExpectedRevision != 0:
			return refuse("flags/unknown", mprog.EINVAL, "flags %s: unknown here", r.Flags)
		case p.typ == progFlowDissector, p.typ == progSkMsg, p.typ == progSkSkb:
			return k.attachPlace(o, p, r)
		}
		return refuse("attach-type/mismatch", mprog.EINVAL, "attach type %s is for links", attachName(r.AttachType))
	}
}

// otherDetach is what detaches where the fake has no hooks; nil if it has, or if
// there is nothing.
func (k *call) otherDetach(r mprog.DetachRequest) func() error {
	typ := k.programType(r.AttachType)
	switch {
	case ofCgroup(typ, r.AttachType):
		if _, err := k.cgroup(r.TargetIfindex); err != nil {
			return nil // the fake says so
		}
		return func() error { return k.detachCgroup(r) }
	case r.AttachType == flowDissector, typ == progSkMsg, typ == progSkSkb:
		return func() error { return k.detachPlace(r) }
	case r.AttachType == lsmMac:
		return func() error {
			if _, _, err := k.progByFD("attach_bpf_fd", r.AttachFD); err != nil {
				return err
			}
			return refuse("attach-type/links", mprog.EINVAL, "such programs are attached by links alone")
		}
	}
	return nil
}

// otherQuery is what queries where the fake has no hooks; nil if it has.
func (k *call) otherQuery(r *mprog.QueryRequest, arrays attr.Arrays) func() error {
	typ := k.programType(r.AttachType)
	var handle func() error
	switch {
	case ofCgroup(typ, r.AttachType):
		if _, err := k.cgroup(r.TargetIfindex); err != nil {
			return nil // the fake says so
		}
		handle = func() error { return k.queryCgroup(r, arrays) }
	case typ == progFlowDissector, typ == progSkLookup, typ == progSkMsg, typ == progSkSkb:
		handle = func() error { return k.queryPlace(r, arrays) }
	case r.AttachType == lsmMac:
		handle = func() error {
			return refuse("attach-type/links", mprog.EINVAL, "such programs are attached by links alone")
		}
	default:
		return nil
	}
	return func() error {
		if !k.caller.Capable(mprog.CapNetAdmin) && !k.caller.Capable(mprog.CapSysAdmin) {
			return refuse("capability/net-admin", mprog.EPERM, "the caller lacks CAP_NET_ADMIN")
		}
		if err := k.checkTail(16); err != nil {
			return err
		}
		if r.QueryFlags&^1 != 0 {
			return refuse("query/flags", mprog.EINVAL, "query_flags %#x", r.QueryFlags)
		}
		return handle()
	}
}
