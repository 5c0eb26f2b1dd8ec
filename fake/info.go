package fake

import "github.com/nkconform/nkconform/mprog"

// ObjectInfo describes the object that fd refers to (BPF_OBJ_GET_INFO_BY_FD):
// EBADFD when it is not open, EINVAL when it is no BPF object.
func (p *Process) ObjectInfo(fd uint32) (mprog.ObjectInfo, error) {
	return do(p, mprog.OpObjectInfo, fd, (*Process).objectInfo)
}

// objectInfo is bpf_obj_get_info_by_fd.
func (p *Process) objectInfo(fd uint32) (mprog.ObjectInfo, error) {
	switch f := p.files[fd].(type) {
	case *program:
		return mprog.ObjectInfo{Kind: mprog.ProgObject, ID: f.id, ProgType: f.typ, ProgName: f.name}, nil
	case *link:
		if c := p.kernel.code; c != nil {
			return c.LinkInfo(f.id)
		}
		return f.info(), nil
	case nil:
		return mprog.ObjectInfo{}, refuse(infoBadFD, "fd %d is not open", fd)
	}
	return mprog.ObjectInfo{}, refuse(infoNotObject, "fd %d is no BPF object", fd)
}

// info tells of a link. Its ifindex is that of the device that has the hook,
// which for PEER is the peer's, although the link was made with the primary's
// (netkit_link_fill_info, tcx_link_fill_info). Of an XDP link no attach type is told
// (bpf_xdp_link_fill_link_info), and of a cgroup's the cgroup is
// (bpf_cgroup_link_fill_link_info).
func (l *link) info() mprog.ObjectInfo {
	info := mprog.ObjectInfo{Kind: mprog.LinkObject, ID: l.id, ProgID: l.prog.id}
	switch {
	case l.other != 0:
		info.LinkType = l.other
	case l.at.Netkit():
		info.LinkType, info.AttachType = mprog.NetkitLink, l.at
	case l.at.TCX():
		info.LinkType, info.AttachType = mprog.TCXLink, l.at
	case l.at.Cgroup():
		info.LinkType, info.AttachType = mprog.CgroupLink, l.at
	default:
		info.LinkType = mprog.XDPLink
	}
	if l.cgroup != nil {
		info.CgroupID = l.cgroup.id
	}
	if l.dev != nil {
		info.Ifindex = l.dev.ifindex
	}
	return info
}
