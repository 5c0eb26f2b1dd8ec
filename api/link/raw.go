package link

import (
	"fmt"

	"github.com/cilium/ebpf"

	"github.com/nkconform/nkconform/mprog"
)

// RawAttachProgramOptions says what [RawAttachProgram] attaches, and where.
type RawAttachProgramOptions struct {
	// Target is the ifindex.
	Target int
	// Program is what to attach, or to detach. It must not be nil.
	Program *Program
	// Attach is the hook of the device.
	Attach ebpf.AttachType
	// Anchor is the place in the list. Optional: the end.
	Anchor Anchor
	// Flags are those that Anchor does not stand for. Optional.
	Flags uint32
	// ExpectedRevision is what the hook's revision must be. Optional: any.
	ExpectedRevision uint64
}

// RawAttachProgram attaches a program without a link. Flags that an anchor
// stands for are refused without a call; other errors carry the errno of
// BPF_PROG_ATTACH. A nil program is a nil pointer dereference.
func RawAttachProgram(k mprog.Kernel, opts RawAttachProgramOptions) error {
	if err := checkFlags(opts.Flags); err != nil {
		return err
	}
	req := mprog.AttachRequest{
		TargetIfindex:    uint32(opts.Target),
		AttachFD:         uint32(opts.Program.FD()),
		AttachType:       mprog.AttachType(opts.Attach),
		ExpectedRevision: opts.ExpectedRevision,
	}
	fdOrID, flags, err := position(opts.Anchor, opts.Flags)
	if err != nil {
		return fmt.Errorf("attach program: %w", err)
	}
	req.Flags = flags
	if flags&mprog.Replace != 0 {
		req.ReplaceFD = fdOrID
	} else {
		req.Relative = fdOrID
	}
	if err := k.ProgAttach(req); err != nil {
		return fmt.Errorf("attach program: %w", err)
	}
	return nil
}

// RawDetachProgramOptions says what [RawDetachProgram] detaches. With an anchor
// the program must be right there.
type RawDetachProgramOptions RawAttachProgramOptions

// RawDetachProgram detaches a program that was attached without a link. Flags
// that an anchor stands for are refused without a call; other errors carry the
// errno of BPF_PROG_DETACH. A nil program is a nil pointer dereference: what the
// kernel offers for naming none is out of reach.
func RawDetachProgram(k mprog.Kernel, opts RawDetachProgramOptions) error {
	if err := checkFlags(opts.Flags); err != nil {
		return err
	}
	req := mprog.DetachRequest{
		TargetIfindex:    uint32(opts.Target),
		AttachFD:         uint32(opts.Program.FD()),
		AttachType:       mprog.AttachType(opts.Attach),
		ExpectedRevision: opts.ExpectedRevision,
	}
	// cilium/ebpf hands no other flags to a detach, either.
	var err error
	if req.Relative, req.Flags, err = position(opts.Anchor, 0); err != nil {
		return fmt.Errorf("detach program: %w", err)
	}
	if err := k.ProgDetach(req); err != nil {
		return fmt.Errorf("can't detach program: %w", err)
	}
	return nil
}
