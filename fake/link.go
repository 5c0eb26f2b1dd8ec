package fake

import (
	"fmt"

	"github.com/nkconform/nkconform/mprog"
	"github.com/nkconform/nkconform/mprog/attr"
)

// LinkCreate attaches a program through a new link and returns the link's fd
// (BPF_LINK_CREATE). It fails as [Process.ProgAttach] does, except that unknown
// flags pass, that REPLACE finds nothing to replace, ENOENT, and that the id of
// the link being created is EAGAIN as relative object.
func (p *Process) LinkCreate(r mprog.LinkCreateRequest) (fd uint32, err error) {
	return do(p, mprog.OpLinkCreate, r, (*Process).linkCreate)
}

// linkCreate is link_create with netkit_link_attach and tcx_link_attach. No
// mask is laid over flags.
func (p *Process) linkCreate(r mprog.LinkCreateRequest) (fd uint32, err error) {
	if p.kernel.code != nil {
		return p.askLink(r)
	}
	if r.Shape != (mprog.Shape{}) {
		if err := reshape(p, attr.LinkCreate, &r, attr.EncodeLinkCreate, attr.DecodeLinkCreate); err != nil {
			return 0, err
		}
	}
	prog, err := p.progByFD("prog_fd", r.ProgFD, progBadFD, progNotProg)
	if err != nil {
		return 0, err
	}
	if prog.typ.Cgroup() && p.kernel.onCgroup(mprog.CgroupInetIngress) {
		return p.cgroupLinkCreate(r, prog)
	}
	if prog.typ == mprog.XDP && r.AttachType == mprog.XDPDevice {
		return p.xdpLink(&r, prog)
	}
	if prog.typ != mprog.SchedCLS || p.kernel.hooks(r.AttachType) == unknown {
		return 0, refuse(attachTypeMismatch, "attach type %s takes no program of type %d", r.AttachType, prog.typ)
	}
	p.passed(attachTypeMismatch, uint64(r.AttachType), 0)
	dev, err := p.builtHookDevice(r.TargetIfindex, r.AttachType)
	if err != nil {
		return 0, err
	}
	l := p.newLink(prog, dev, r.AttachType)
	err = dev.entry(r.AttachType, true).attach(p, change{
		prog: prog, link: l, flags: r.Flags, relative: r.Relative, revision: r.ExpectedRevision,
	})
	if err != nil {
		l.dev = nil // so that letting go of it does not touch the hook
		l.put()
		return 0, err
	}
	l.settled = true
	p.passed(didLink, uint64(l.id), 0)
	return p.open(l), nil
}

// LinkUpdate replaces a link's program in place (BPF_LINK_UPDATE). It fails with
//   - EINVAL for a flag other than REPLACE, EBADF or EINVAL for an fd;
//   - EINVAL for an old program without REPLACE;
//   - ENOLINK when the link is defunct;
//   - EPERM when the old program given is not the link's;
//   - EEXIST when the new program is on the hook already, yet not by this link;
//   - EINVAL when the new program has another type.
func (p *Process) LinkUpdate(r mprog.LinkUpdateRequest) error {
	return do0(p, mprog.OpLinkUpdate, r, (*Process).linkUpdate)
}

// linkUpdate is link_update.
func (p *Process) linkUpdate(r mprog.LinkUpdateRequest) error {
	if p.kernel.code != nil {
		return p.ask0(mprog.OpLinkUpdate, attr.LinkUpdate, attr.EncodeLinkUpdate(p.kernel.code.Attr(), r))
	}
	if r.Shape != (mprog.Shape{}) {
		if err := reshape(p, attr.LinkUpdate, &r, attr.EncodeLinkUpdate, attr.DecodeLinkUpdate); err != nil {
			return err
		}
	}
	if r.Flags&^mprog.Replace != 0 {
		return refuse(updateFlags, "flags %s", r.Flags)
	}
	p.passed(updateFlags, uint64(r.Flags), 0)
	l, err := p.linkByFD("link_fd", r.LinkFD, linkBadFD, linkNotLink)
	if err != nil {
		return err
	}
	prog, err := p.progByFD("new_prog_fd", r.NewProgFD, progBadFD, progNotProg)
	if err != nil {
		return err
	}
	var old *program
	if r.Flags&mprog.Replace != 0 {
		old, err = p.progByFD("old_prog_fd", r.OldProgFD, updateOldBadFD, updateOldNotProg)
		if err != nil {
			return err
		}
	} else if r.OldProgFD != 0 {
		return refuse(updateOldSet, "old_prog_fd is %d and replace not asked for", r.OldProgFD)
	} else {
		p.passed(updateOldSet, 0, 0)
	}
	return l.update(p, prog, old)
}

// update is netkit_link_update and tcx_link_update, which are alike. To mprog
// it is a replacement that names the old program as its relative object; it is
// there that the types of the two are compared.
func (l *link) update(p *Process, prog, old *program) error {
	switch {
	case l.other != 0:
		return fmt.Errorf("%s: %w: a link of type %s", mprog.OpLinkUpdate, mprog.ErrUnsupported, l.other)
	case l.defunct():
		return refuse(updateDefunct, "link id %d is defunct", l.id)
	case l.cgroup != nil:
		return l.updateCgroup(p, prog, old)
	case old != nil && old != l.prog:
		return refuse(updateOldWrong, "the old program given is id %d, the link's is id %d", old.id, l.prog.id)
	case prog == l.prog:
		p.passed(didNothing, uint64(prog.id), 0)
		return nil
	}
	p.passed(updateDefunct, uint64(l.id), uint64(l.prog.id))
	if l.at == mprog.XDPDevice {
		return l.updateXDP(prog)
	}
	err := l.dev.entry(l.at, true).attach(p, change{
		prog: prog, link: l, old: l.prog, flags: mprog.Replace | mprog.ID, relative: l.prog.id,
	})
	if err != nil {
		return err
	}
	l.prog.put()
	l.prog = prog.get()
	return nil
}

// LinkDetach takes a link's program off its hook; the link stays, defunct
// (BPF_LINK_DETACH). A link that is defunct already stays as it is. An fd that is
// not a link's is EBADF or EINVAL.
func (p *Process) LinkDetach(r mprog.LinkDetachRequest) error {
	return do0(p, mprog.OpLinkDetach, r, (*Process).linkDetach)
}

// linkDetach is link_detach.
func (p *Process) linkDetach(r mprog.LinkDetachRequest) error {
	if p.kernel.code != nil {
		return p.ask0(mprog.OpLinkDetach, attr.LinkDetach, attr.EncodeLinkDetach(p.kernel.code.Attr(), r))
	}
	if r.Shape != (mprog.Shape{}) {
		if err := reshape(p, attr.LinkDetach, &r, attr.EncodeLinkDetach, attr.DecodeLinkDetach); err != nil {
			return err
		}
	}
	l, err := p.linkByFD("link_fd", r.LinkFD, linkBadFD, linkNotLink)
	if err != nil {
		return err
	}
	if l.other != 0 {
		return fmt.Errorf("%s: %w: a link of type %s", mprog.OpLinkDetach, mprog.ErrUnsupported, l.other)
	}
	if l.defunct() {
		p.passed(didDetachDefunct, uint64(l.id), 0)
	}
	l.release()
	return nil
}
