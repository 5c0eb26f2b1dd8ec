package fake

import (
	"github.com/nkconform/nkconform/mprog"
)

// What the commands of bpf(2) check on their way to a cgroup's hook
// (kernel/bpf/syscall.c, and the functions of kernel/bpf/cgroup.c that it calls).

// cgroupProgAttach is the part of bpf_prog_attach for cgroups, with
// cgroup_bpf_prog_attach.
func (p *Process) cgroupProgAttach(r mprog.AttachRequest) error {
	known := mprog.AllowOverride | mprog.AllowMulti | mprog.Replace
	if p.kernel.release.has(preorder) {
		known |= mprog.Preorder
	}
	if !p.kernel.missing[mprog.FeatureCgroupMprog] {
		known |= mprog.CgroupAttachMask
	}
	if unknown := r.Flags &^ known; unknown != 0 {
		return refuse(cgroupFlags, "flags %s: unknown here", unknown)
	}
	p.passed(cgroupFlags, uint64(r.Flags), 0)
	if err := p.cgroupPlaceless(r.Relative, r.ExpectedRevision); err != nil {
		return err
	}
	prog, err := p.progByFD("attach_bpf_fd", r.AttachFD, progBadFD, progNotProg)
	if err != nil {
		return err
	}
	if want := r.AttachType.CgroupProgType(); prog.typ != want {
		return refuse(cgroupProgType, "attach_bpf_fd %d is a program of type %d, not %d", r.AttachFD, prog.typ, want)
	}
	if err := p.fitsCgroup(prog, r.AttachType, cgroupNetAdmin); err != nil {
		return err
	}
	g, err := p.cgroupByFD(r.TargetIfindex)
	if err != nil {
		return err
	}
	var old *program
	if r.Flags&mprog.Replace != 0 && r.Flags&mprog.AllowMulti != 0 {
		old, err = p.progByFD("replace_bpf_fd", r.ReplaceFD, replaceBadFD, replaceNotProg)
		if err != nil {
			return err
		}
		if old.typ != prog.typ {
			return refuse(replaceType, "replace_bpf_fd %d is a program of type %d, not %d", r.ReplaceFD, old.typ, prog.typ)
		}
	}
	return p.attachCgroup(g, cgroupChange{
		prog: prog, old: old, at: r.AttachType, flags: r.Flags, relative: r.Relative, revision: r.ExpectedRevision,
	})
}

// cgroupPlaceless is what kernels say to positions and revisions that do not have them on
// cgroups.
func (p *Process) cgroupPlaceless(relative uint32, revision uint64) error {
	if p.kernel.missing[mprog.FeatureCgroupMprog] && (relative != 0 || revision != 0) {
		return refuse(cgroupNoPlace, "relative object %d, expected revision %d", relative, revision)
	}
	return nil
}

// fitsCgroup is bpf_prog_attach_check_attach_type for programs of cgroups. What a caller
// without capabilities is told differs.
func (p *Process) fitsCgroup(prog *program, at mprog.AttachType, forbidden *RuleInfo) error {
	fits := true
	switch prog.typ {
	case mprog.CgroupSock, mprog.CgroupSockAddr, mprog.CgroupSockopt:
		fits = at == prog.expected
	case mprog.CgroupSKB:
		if !p.netAdmin() {
			return refuse(forbidden, "the caller lacks CAP_NET_ADMIN and CAP_SYS_ADMIN")
		}
		p.passed(forbidden, 0, 0)
		fits = at.CgroupProgType() == prog.typ && (at == prog.expected || !prog.enforces())
	default:
		fits = at.CgroupProgType() == prog.typ
	}
	if !fits {
		return refuse(cgroupExpected, "program id %d is for attach type %s, not %s", prog.id, prog.expected, at)
	}
	p.passed(cgroupExpected, uint64(at), 0)
	return nil
}

// enforces reports whether a program of the type CGROUP_SKB is for its expected attach
// type alone: the verifier says so of one whose return value only egress has.
func (p *program) enforces() bool { return p.expected == mprog.CgroupInetEgress && p.ret > 1 }

// cgroupProgDetach is the part of bpf_prog_detach for cgroups, with
// cgroup_bpf_prog_detach. What the fd of the program is worth, nothing is said of.
func (p *Process) cgroupProgDetach(r mprog.DetachRequest) error {
	if r.Flags != 0 || r.Relative != 0 {
		return refuse(cgroupDetachFlags, "flags %s, relative object %d", r.Flags, r.Relative)
	}
	p.passed(cgroupDetachFlags, 0, 0)
	if err := p.cgroupPlaceless(0, r.ExpectedRevision); err != nil {
		return err
	}
	g, err := p.cgroupByFD(r.TargetIfindex)
	if err != nil {
		return err
	}
	prog, ok := p.files[r.AttachFD].(*program)
	if !ok || prog.typ != r.AttachType.CgroupProgType() {
		prog = nil
	}
	return p.detachCgroup(g.hook(r.AttachType), prog, nil, r.ExpectedRevision)
}

// cgroupLinkCreate is the part of link_create for cgroups, with
// cgroup_bpf_link_attach. Links are of the mode MULTI.
func (p *Process) cgroupLinkCreate(r mprog.LinkCreateRequest, prog *program) (fd uint32, err error) {
	if err := p.fitsCgroup(prog, r.AttachType, cgroupLinkNetAdmin); err != nil {
		return 0, err
	}
	known := mprog.CgroupLinkMask
	if p.kernel.missing[mprog.FeatureCgroupMprog] {
		known, r.Relative, r.ExpectedRevision = 0, 0, 0 // which such a kernel does not look at
	}
	if unknown := r.Flags &^ known; unknown != 0 {
		return 0, refuse(cgroupLinkFlags, "flags %s: unknown here", unknown)
	}
	p.passed(cgroupLinkFlags, uint64(r.Flags), 0)
	g, err := p.cgroupByFD(r.TargetIfindex)
	if err != nil {
		return 0, err
	}
	l := p.kernel.newLink(prog, nil, r.AttachType)
	err = p.attachCgroup(g, cgroupChange{
		prog: prog, link: l, at: r.AttachType, flags: r.Flags | mprog.AllowMulti,
		relative: r.Relative, revision: r.ExpectedRevision,
	})
	if err != nil {
		l.put()
		return 0, err
	}
	l.cgroup, l.settled = g, true
	p.passed(didLink, uint64(l.id), 0)
	return p.open(l), nil
}

// cgroupByFD finds the cgroup behind an fd (cgroup_get_from_fd).
func (p *Process) cgroupByFD(fd uint32) (*cgroup, error) {
	g, ok := p.files[fd].(*cgroup)
	switch {
	case !ok:
		return nil, refuse(attachTypeCgroup, "fd %d is not of a cgroup", fd)
	case g.removed:
		return nil, refuse(cgroupRemoved, "cgroup %s has been removed", g.name)
	}
	p.passed(attachTypeCgroup, uint64(fd), 0)
	return g, nil
}

// verifyCgroup checks what a program of a cgroup is loaded for, and what it may return
// there (bpf_prog_load_check_attach, check_return_code).
func verifyCgroup(spec *mprog.ProgSpec) error {
	most := int32(1)
	switch spec.Type {
	case mprog.CgroupSock:
		if spec.Expected == 0 {
			spec.Expected = mprog.CgroupInetSockCreate
		}
	case mprog.SockOps, mprog.CgroupDevice, mprog.CgroupSysctl: // one attach type each
		return verdict(spec, 0, most)
	}
	if spec.Expected.CgroupProgType() != spec.Type {
		return refuse(loadExpected, "expected_attach_type %s", spec.Expected)
	}
	switch spec.Expected {
	case mprog.CgroupInetEgress, mprog.CgroupInet4Bind, mprog.CgroupInet6Bind:
		most = 3
	case mprog.CgroupUDP4Recvmsg, mprog.CgroupUDP6Recvmsg, mprog.CgroupInet4Getpeer, mprog.CgroupInet6Getpeer,
		mprog.CgroupInet4Getsock, mprog.CgroupInet6Getsock:
		return verdict(spec, 1, 1)
	}
	return verdict(spec, 0, most)
}

func verdict(spec *mprog.ProgSpec, least, most int32) error {
	if spec.Return < least || spec.Return > most {
		return refuse(loadVerdict, "it returns %d, not %d to %d", spec.Return, least, most)
	}
	return nil
}
