package fake

import (
	"math"

	"github.com/nkconform/nkconform/mprog"
	"github.com/nkconform/nkconform/mprog/attr"
)

// ProgFDByID opens the program with an id (BPF_PROG_GET_FD_BY_ID). It fails with
//   - EINVAL for open flags or other bytes behind the id;
//   - EPERM without CAP_SYS_ADMIN;
//   - ENOENT when no program has the id.
func (p *Process) ProgFDByID(r mprog.IDRequest) (fd uint32, err error) {
	return do(p, mprog.OpProgFDByID, r, (*Process).progFDByID)
}

// progFDByID is bpf_prog_get_fd_by_id.
func (p *Process) progFDByID(r mprog.IDRequest) (uint32, error) {
	if p.kernel.code != nil {
		return p.askFD(mprog.OpProgFDByID, attr.ProgGetFDByID, r)
	}
	if err := p.readFDByID(attr.ProgGetFDByID, &r); err != nil {
		return 0, err
	}
	if err := p.needsSysAdmin(); err != nil {
		return 0, err
	}
	prog := p.kernel.progs[r.ID]
	if prog == nil {
		return 0, refuse(idNone, "no program has id %d", r.ID)
	}
	p.passed(idNone, uint64(r.ID), 0)
	return p.open(prog.get()), nil
}

// LinkFDByID opens the link with an id (BPF_LINK_GET_FD_BY_ID). It fails as
// [Process.ProgFDByID] does, and with EAGAIN while the link is being created.
func (p *Process) LinkFDByID(r mprog.IDRequest) (fd uint32, err error) {
	return do(p, mprog.OpLinkFDByID, r, (*Process).linkFDByID)
}

// linkFDByID is bpf_link_get_fd_by_id.
func (p *Process) linkFDByID(r mprog.IDRequest) (uint32, error) {
	if p.kernel.code != nil {
		return p.askFD(mprog.OpLinkFDByID, attr.LinkGetFDByID, r)
	}
	if err := p.readFDByID(attr.LinkGetFDByID, &r); err != nil {
		return 0, err
	}
	if err := p.needsSysAdmin(); err != nil {
		return 0, err
	}
	l, err := p.kernel.linkByID(r.ID, idNone)
	if err != nil {
		return 0, err
	}
	p.passed(idNone, uint64(r.ID), 0)
	return p.open(l.get()), nil
}

// ProgNextID returns the lowest program id above one (BPF_PROG_GET_NEXT_ID). It
// fails with
//   - EINVAL for open flags or other bytes behind the ids, or an id from 2^31-1 on;
//   - EPERM without CAP_SYS_ADMIN;
//   - ENOENT when no id is higher.
func (p *Process) ProgNextID(r mprog.IDRequest) (id uint32, err error) {
	return do(p, mprog.OpProgNextID, r, (*Process).progNextID)
}

// LinkNextID returns the lowest link id above one (BPF_LINK_GET_NEXT_ID). It fails
// as [Process.ProgNextID] does.
func (p *Process) LinkNextID(r mprog.IDRequest) (id uint32, err error) {
	return do(p, mprog.OpLinkNextID, r, (*Process).linkNextID)
}

func (p *Process) progNextID(r mprog.IDRequest) (uint32, error) {
	if p.kernel.code != nil {
		return p.askNext(mprog.OpProgNextID, attr.ProgGetNextID, r)
	}
	return nextID(p, attr.ProgGetNextID, r, p.kernel.progs)
}

func (p *Process) linkNextID(r mprog.IDRequest) (uint32, error) {
	if p.kernel.code != nil {
		return p.askNext(mprog.OpLinkNextID, attr.LinkGetNextID, r)
	}
	return nextID(p, attr.LinkGetNextID, r, p.kernel.links)
}

// nextID is bpf_obj_get_next_id.
func nextID[T any](p *Process, cmd attr.Command, r mprog.IDRequest, all map[uint32]T) (uint32, error) {
	if r.Shape != (mprog.Shape{}) || r.OpenFlags != 0 {
		if err := reshape(p, cmd, &r, attr.EncodeNextID, attr.DecodeNextID); err != nil {
			return 0, err
		}
	}
	if r.ID >= math.MaxInt32 {
		return 0, refuse(idRange, "start_id %d is not below %d", r.ID, math.MaxInt32)
	}
	p.passed(idRange, uint64(r.ID), 0)
	if err := p.needsSysAdmin(); err != nil {
		return 0, err
	}
	next := uint32(0)
	for id := range all {
		if id > r.ID && (next == 0 || id < next) {
			next = id
		}
	}
	if next == 0 {
		return 0, refuse(idLast, "no id is above %d", r.ID)
	}
	p.passed(idLast, uint64(next), 0)
	return next, nil
}

// readFDByID reads what both commands that open by id read. Open flags are bytes
// behind their last field.
func (p *Process) readFDByID(cmd attr.Command, r *mprog.IDRequest) error {
	if r.Shape == (mprog.Shape{}) && r.OpenFlags == 0 {
		return nil
	}
	return reshape(p, cmd, r, attr.EncodeFDByID, attr.DecodeFDByID)
}

// needsSysAdmin is capable(CAP_SYS_ADMIN).
func (p *Process) needsSysAdmin() error {
	if !p.caps.has(mprog.CapSysAdmin) {
		return refuse(needSysAdmin, "the caller lacks CAP_SYS_ADMIN")
	}
	p.passed(needSysAdmin, 0, 0)
	return nil
}

// linkByID finds a link that is settled (bpf_link_by_id). What there is no link
// for is a rule of the caller's.
func (k *Kernel) linkByID(id uint32, none *RuleInfo) (*link, error) {
	l := k.links[id]
	switch {
	case l == nil:
		return nil, refuse(none, "no link has id %d", id)
	case !l.settled:
		return nil, refuse(linkUnsettled, "link id %d is the one being created", id)
	}
	return l, nil
}
