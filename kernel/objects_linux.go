package kernel

import (
	"github.com/nkconform/nkconform/mprog"
	"github.com/nkconform/nkconform/mprog/attr"
)

// ProgFDByID is BPF_PROG_GET_FD_BY_ID.
func (p *Process) ProgFDByID(r mprog.IDRequest) (fd uint32, err error) {
	return p.fdByID(mprog.OpProgFDByID, attr.ProgGetFDByID, r)
}

// LinkFDByID is BPF_LINK_GET_FD_BY_ID.
func (p *Process) LinkFDByID(r mprog.IDRequest) (fd uint32, err error) {
	return p.fdByID(mprog.OpLinkFDByID, attr.LinkGetFDByID, r)
}

func (p *Process) fdByID(op mprog.Op, cmd attr.Command, r mprog.IDRequest) (fd uint32, err error) {
	if err := p.settleFilters(); err != nil {
		return 0, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.call(op, cmd, attr.EncodeFDByID(&p.attr, r)); err != nil {
		return 0, err
	}
	return p.fd, nil
}

// ProgNextID is BPF_PROG_GET_NEXT_ID. Ids are those of the whole machine:
// programs of others come in between.
func (p *Process) ProgNextID(r mprog.IDRequest) (id uint32, err error) {
	return p.nextID(mprog.OpProgNextID, attr.ProgGetNextID, r)
}

// LinkNextID is BPF_LINK_GET_NEXT_ID; see [Process.ProgNextID].
func (p *Process) LinkNextID(r mprog.IDRequest) (id uint32, err error) {
	return p.nextID(mprog.OpLinkNextID, attr.LinkGetNextID, r)
}

func (p *Process) nextID(op mprog.Op, cmd attr.Command, r mprog.IDRequest) (id uint32, err error) {
	if err := p.settleFilters(); err != nil {
		return 0, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.call(op, cmd, attr.EncodeNextID(&p.attr, r)); err != nil {
		return 0, err
	}
	return attr.DecodeNextIDResult(p.attr[:]), nil
}

// Command is bpf(2) with any command and an attr of zeros. A descriptor that it
// returns is closed.
func (p *Process) Command(r mprog.CommandRequest) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cmd, p.size = attr.Command(r.Command), attr.EncodeCommand(&p.attr, r)
	err := p.do(func() {
		p.onThreadBPF()
		if p.err == nil && makesFD[p.cmd] {
			_ = p.fds.close(p.fd)
		}
	})
	if err != nil {
		return err
	}
	return p.failure(mprog.OpCommand)
}

// makesFD has the commands that return a file descriptor.
var makesFD = map[attr.Command]bool{
	0:                  true, // BPF_MAP_CREATE
	progLoad:           true,
	attr.ObjGet:        true,
	attr.ProgGetFDByID: true,
	17:                 true, // BPF_RAW_TRACEPOINT_OPEN
	18:                 true, // BPF_BTF_LOAD
	19:                 true, // BPF_BTF_GET_FD_BY_ID
	attr.LinkCreate:    true,
	attr.LinkGetFDByID: true,
	32:                 true, // BPF_ENABLE_STATS
	33:                 true, // BPF_ITER_CREATE
	36:                 true, // BPF_TOKEN_CREATE
}

// madeKind has the kinds of objects whose descriptors they return, where one
// command makes one kind.
var madeKind = map[attr.Command]string{
	attr.ProgGetFDByID: "prog",
	attr.LinkCreate:    "link",
	attr.LinkGetFDByID: "link",
}

// Dup is dup(2), but for the number, which is a new one. The few descriptors
// that the environment itself needs are out of reach: EBADF.
func (p *Process) Dup(fd uint32) (uint32, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	err := p.do(func() {
		var n int
		n, p.err = p.fds.dup(fd)
		p.fd = uint32(n)
	})
	if err == nil {
		err = p.failure(mprog.OpDup)
	}
	if err != nil {
		return 0, err
	}
	return p.fd, nil
}
