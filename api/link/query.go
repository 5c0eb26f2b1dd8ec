package link

import (
	"fmt"
	"slices"

	"github.com/cilium/ebpf"

	"github.com/nkconform/nkconform/mprog"
)

// QueryOptions says which hook [QueryPrograms] asks for.
type QueryOptions struct {
	// Target is the ifindex.
	Target int
	// Attach is the hook of the device.
	Attach ebpf.AttachType
	// QueryFlags must be 0 for netkit and tcx.
	QueryFlags uint32
}

// QueryResult is what is attached to a hook.
type QueryResult struct {
	// Programs are in order of execution.
	Programs []AttachedProgram
	// Revision is the hook's revision: 1 for an empty netkit or tcx hook,
	// whatever it may have been.
	Revision uint64
}

// HaveLinkInfo reports whether a link owns one of the programs.
func (r *QueryResult) HaveLinkInfo() bool {
	return slices.ContainsFunc(r.Programs, func(p AttachedProgram) bool { return p.linkID != 0 })
}

// AttachedProgram is a program that is attached to a hook.
type AttachedProgram struct {
	ID     ebpf.ProgramID
	linkID ID
}

// LinkID returns the id of the link that owns the program's place, and false
// when none does.
func (p *AttachedProgram) LinkID() (ID, bool) { return p.linkID, p.linkID != 0 }

// QueryPrograms lists what is attached to a hook. It calls BPF_PROG_QUERY twice,
// for the number and for the programs: when more are attached in between, the
// error carries ENOSPC. Without CAP_NET_ADMIN it is ErrNotSupported.
func QueryPrograms(k mprog.Kernel, opts QueryOptions) (*QueryResult, error) {
	req := mprog.QueryRequest{
		TargetIfindex: uint32(opts.Target),
		AttachType:    mprog.AttachType(opts.Attach),
		QueryFlags:    opts.QueryFlags,
	}
	res, err := k.ProgQuery(req)
	if err != nil {
		if missing := missingQuery(k, err); missing != nil {
			err = missing
		}
		return nil, fmt.Errorf("query programs: %w", err)
	}
	if res.Count == 0 {
		return &QueryResult{Revision: res.Revision}, nil
	}
	req.Count = res.Count
	req.ProgIDs = make([]uint32, res.Count)
	req.LinkIDs = make([]uint32, res.Count)
	if res, err = k.ProgQuery(req); err != nil {
		return nil, fmt.Errorf("query programs: %w", err)
	}
	out := &QueryResult{Revision: res.Revision}
	for i := range res.Count {
		out.Programs = append(out.Programs, AttachedProgram{ebpf.ProgramID(req.ProgIDs[i]), ID(req.LinkIDs[i])})
	}
	return out, nil
}
