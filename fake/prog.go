package fake

import (
	"github.com/nkconform/nkconform/mprog"
	"github.com/nkconform/nkconform/mprog/attr"
)

// ProgAttach adds a program to a hook, or replaces one (BPF_PROG_ATTACH). It
// fails, in this order of checks, with
//   - E2BIG for bytes of a later kernel, EINVAL for bytes of other commands;
//   - EINVAL for an attach type or a flag that is not known;
//   - EBADF or EINVAL when the fd is not a SCHED_CLS program's;
//   - ENODEV without the device, ENXIO when it is not netkit and should be,
//     EACCES when it is the peer of a pair;
//   - EBADF or EINVAL when the fd to be replaced is not such a program's;
//   - ESTALE when the hook is not at the expected revision;
//   - EEXIST when the program is on the hook already;
//   - ENOENT, EBADF or EINVAL when the relative object does not exist;
//   - ENOENT when the program to be replaced is not on the hook, EBUSY when a link
//     owns it, ERANGE when nothing is replaced and the hook has 63 programs;
//   - ENOENT when the relative object is not on the hook, ERANGE when REPLACE,
//     BEFORE and AFTER say different positions, EINVAL when none says one and
//     there is a flag or a relative object.
func (p *Process) ProgAttach(r mprog.AttachRequest) error {
	return do0(p, mprog.OpProgAttach, r, (*Process).progAttach)
}

// progAttach is bpf_prog_attach, and the part of netkit_prog_attach and
// tcx_prog_attach that they share.
func (p *Process) progAttach(r mprog.AttachRequest) error {
	if p.kernel.code != nil {
		return p.ask0(mprog.OpProgAttach, attr.ProgAttach, attr.EncodeAttach(p.kernel.code.Attr(), r))
	}
	if r.Shape != (mprog.Shape{}) {
		if err := reshape(p, attr.ProgAttach, &r, attr.EncodeAttach, attr.DecodeAttach); err != nil {
			return err
		}
	}
	if p.kernel.onCgroup(r.AttachType) {
		return p.cgroupProgAttach(r)
	}
	if p.kernel.hooks(r.AttachType) == unknown {
		return p.attachOther(&r)
	}
	if unknown := r.Flags &^ mprog.AttachMask; unknown != 0 {
		return refuse(flagsUnknown, "flags %s: unknown here", unknown)
	}
	p.passed(flagsUnknown, uint64(r.Flags), 0)
	prog, err := p.schedCLS(r.AttachFD)
	if err != nil {
		return err
	}
	dev, err := p.builtHookDevice(r.TargetIfindex, r.AttachType)
	if err != nil {
		return err
	}
	var old *program
	if r.Flags&mprog.Replace != 0 {
		old, err = p.progByFD("replace_bpf_fd", r.ReplaceFD, replaceBadFD, replaceNotProg)
		if err != nil {
			return err
		}
		if old.typ != prog.typ {
			return refuse(replaceType, "replace_bpf_fd %d is a program of type %d, not %d", r.ReplaceFD, old.typ, prog.typ)
		}
		p.passed(replaceType, uint64(old.typ), 0)
	}
	err = dev.entry(r.AttachType, true).attach(p, change{
		prog: prog, old: old, flags: r.Flags, relative: r.Relative, revision: r.ExpectedRevision,
	})
	if err == nil {
		prog.get()
	}
	return err
}

// ProgDetach removes a program from a hook (BPF_PROG_DETACH): the one named, or
// the one that BEFORE and AFTER point at, or the last. It fails as ProgAttach does
// for what both check, and with
//   - EPERM when no program is named, without CAP_NET_ADMIN and CAP_SYS_ADMIN;
//   - ENOENT when the hook is empty, in front of all other checks of the list, or
//     does not have the program;
//   - EINVAL for REPLACE;
//   - EBUSY when a link owns the program;
//   - ERANGE for the last of 63, unless it is named.
func (p *Process) ProgDetach(r mprog.DetachRequest) error {
	return do0(p, mprog.OpProgDetach, r, (*Process).progDetach)
}

// progDetach is bpf_prog_detach, and the part of netkit_prog_detach and
// tcx_prog_detach that they share.
func (p *Process) progDetach(r mprog.DetachRequest) (err error) {
	if p.kernel.code != nil {
		return p.ask0(mprog.OpProgDetach, attr.ProgDetach, attr.EncodeDetach(p.kernel.code.Attr(), r))
	}
	if r.Shape != (mprog.Shape{}) {
		if err := reshape(p, attr.ProgDetach, &r, attr.EncodeDetach, attr.DecodeDetach); err != nil {
			return err
		}
	}
	if p.kernel.onCgroup(r.AttachType) {
		return p.cgroupProgDetach(r)
	}
	if p.kernel.hooks(r.AttachType) == unknown {
		return p.kernel.release.detachOther(&r)
	}
	if unknown := r.Flags &^ mprog.AttachMask; unknown != 0 {
		return refuse(flagsUnknown, "flags %s: unknown here", unknown)
	}
	p.passed(flagsUnknown, uint64(r.Flags), 0)
	var prog *program
	if r.AttachFD != 0 {
		if prog, err = p.schedCLS(r.AttachFD); err != nil {
			return err
		}
	} else if !p.netAdmin() && p.kernel.release.detachAsks {
		return refuse(needNetAdmin, "no program named, and the caller lacks CAP_NET_ADMIN and CAP_SYS_ADMIN")
	} else {
		p.passed(needNetAdmin, 0, 0)
	}
	dev, err := p.builtHookDevice(r.TargetIfindex, r.AttachType)
	if err != nil {
		return err
	}
	h := dev.entry(r.AttachType, false)
	if h == nil {
		return refuse(detachEmpty, "the hook has no programs")
	}
	p.passed(detachEmpty, uint64(h.count), 0)
	return h.detach(p, change{
		prog: prog, flags: r.Flags, relative: r.Relative, revision: r.ExpectedRevision,
	})
}

// ProgQuery lists a hook's programs in order of execution (BPF_PROG_QUERY). It
// fails with
//   - EPERM without CAP_NET_ADMIN and CAP_SYS_ADMIN, checked behind E2BIG;
//   - EINVAL for a flag, ENODEV, ENXIO and EACCES for the device as ProgAttach;
//   - ENOSPC, and a valid result, when count is too small;
//   - EFAULT, and a valid result, when an array is shorter than what is to be
//     written: up to there it is.
func (p *Process) ProgQuery(r mprog.QueryRequest) (mprog.QueryResult, error) {
	return do(p, mprog.OpProgQuery, r, (*Process).progQuery)
}

// progQuery is bpf_prog_query with netkit_prog_query and tcx_prog_query.
func (p *Process) progQuery(r mprog.QueryRequest) (res mprog.QueryResult, err error) {
	if p.kernel.code != nil {
		return p.askQuery(&r)
	}
	var tail error
	if r.Shape != (mprog.Shape{}) || p.kernel.hooks(r.AttachType) == unknown {
		if tail, err = p.kernel.reshapeQuery(&r); err != nil {
			return res, err
		}
	}
	return p.queryHook(r, tail)
}

// queryHook is progQuery of what the kernel sees of a request; tail is what it
// says of the bytes behind.
func (p *Process) queryHook(r mprog.QueryRequest, tail error) (res mprog.QueryResult, err error) {
	if err := p.mayQuery(); err != nil {
		return res, err
	}
	p.passed(needNetAdmin, 0, 0)
	if tail != nil {
		return res, tail
	}
	if r.QueryFlags&^mprog.QueryEffective != 0 {
		return res, refuse(queryFlags, "query_flags %#x", r.QueryFlags)
	}
	if p.kernel.onCgroup(r.AttachType) {
		g, err := p.cgroupByFD(r.TargetIfindex)
		if err != nil {
			return res, err
		}
		return p.queryCgroup(g, &r)
	}
	if p.kernel.hooks(r.AttachType) == unknown {
		return res, p.kernel.release.other(mprog.OpProgQuery, r.AttachType, r.TargetIfindex)
	}
	dev, err := p.builtHookDevice(r.TargetIfindex, r.AttachType)
	if err != nil {
		return res, err
	}
	return dev.entry(r.AttachType, false).query(p, &r)
}

// schedCLS finds the program to attach or detach, whose type must fit the hooks
// (bpf_prog_get_type).
func (p *Process) schedCLS(fd uint32) (*program, error) {
	prog, err := p.progByFD("attach_bpf_fd", fd, progBadFD, progNotProg)
	if err != nil {
		return nil, err
	}
	if prog.typ != mprog.SchedCLS {
		return nil, refuse(progType, "attach_bpf_fd %d is a program of type %d, not %d (SCHED_CLS)",
			fd, prog.typ, mprog.SchedCLS)
	}
	p.passed(progType, uint64(prog.typ), 0)
	return prog, nil
}
