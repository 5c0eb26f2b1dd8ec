package link

import (
	"fmt"

	"github.com/cilium/ebpf"

	"github.com/nkconform/nkconform/mprog"
)

// NetkitOptions says what [AttachNetkit] attaches, and where.
type NetkitOptions struct {
	// Interface is the ifindex of the pair's primary device, for both hooks.
	Interface int
	// Program is what to attach. It must not be nil.
	Program *Program
	// Attach is ebpf.AttachNetkitPrimary or ebpf.AttachNetkitPeer.
	Attach ebpf.AttachType
	// Anchor is the place in the list. Optional: the end.
	Anchor Anchor
	// ExpectedRevision is what the hook's revision must be. Optional: any.
	ExpectedRevision uint64
	// Flags are those that Anchor does not stand for. Optional.
	Flags uint32
}

// AttachNetkit attaches a program to a netkit device through a new link.
//
// A negative ifindex and flags that an anchor stands for are refused without a
// call. Other errors carry the errno of BPF_LINK_CREATE, or are
// [ErrNotSupported] on a kernel without netkit. As in cilium/ebpf, a nil program
// is a nil pointer dereference.
func AttachNetkit(k mprog.Kernel, opts NetkitOptions) (Link, error) {
	raw, err := attach(k, opts, netkit)
	if err != nil {
		return nil, err
	}
	return &netkitLink{*raw}, nil
}

// TCXOptions says what [AttachTCX] attaches, and where. The fields are those of
// [NetkitOptions]; Attach is ebpf.AttachTCXIngress or ebpf.AttachTCXEgress.
type TCXOptions NetkitOptions

// AttachTCX attaches a program to a device's tcx hook through a new link. It
// fails as [AttachNetkit] does.
func AttachTCX(k mprog.Kernel, opts TCXOptions) (Link, error) {
	raw, err := attach(k, NetkitOptions(opts), tcx)
	if err != nil {
		return nil, err
	}
	return &tcxLink{*raw}, nil
}

func attach(k mprog.Kernel, opts NetkitOptions, on feature) (*RawLink, error) {
	if err := checkInterface(opts.Interface); err != nil {
		return nil, err
	}
	if err := checkFlags(opts.Flags); err != nil {
		return nil, err
	}
	req := mprog.LinkCreateRequest{
		ProgFD:           uint32(opts.Program.FD()),
		TargetIfindex:    uint32(opts.Interface),
		AttachType:       mprog.AttachType(opts.Attach),
		ExpectedRevision: opts.ExpectedRevision,
	}
	var err error
	if req.Relative, req.Flags, err = position(opts.Anchor, opts.Flags); err != nil {
		return nil, fmt.Errorf("attach %s link: %w", on.name, err)
	}
	fd, err := k.LinkCreate(req)
	if err != nil {
		if missing := on.missing(k, req.ProgFD, err); missing != nil {
			return nil, missing
		}
		return nil, fmt.Errorf("attach %s link: %w", on.name, err)
	}
	return &RawLink{kernel: k, fd: int(fd)}, nil
}
