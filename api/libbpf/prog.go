package libbpf

import "github.com/nkconform/nkconform/mprog"

// ProgAttachOpts is struct bpf_prog_attach_opts.
type ProgAttachOpts struct {
	Size
	Flags            mprog.Flags // at byte 8
	ReplaceFD        uint32      // at byte 12
	RelativeFD       uint32      // at byte 16
	RelativeID       uint32      // at byte 20
	ExpectedRevision uint64      // at byte 24
}

func (*ProgAttachOpts) size() uint64 { return 32 }

// ProgAttach is bpf_prog_attach_opts. It fails with EINVAL for options of an
// invalid size and for RelativeFD and RelativeID together, and as the kernel does.
func ProgAttach(k mprog.Kernel, progFD, target int, at mprog.AttachType, opts *ProgAttachOpts) error {
	const op = mprog.OpProgAttach
	if opts == nil {
		opts = Opts(ProgAttachOpts{})
	}
	if err := opts.check(op, opts.size()); err != nil {
		return err
	}
	flags, rel, err := relative(op, get(opts.Size, 12, opts.Flags),
		get(opts.Size, 20, opts.RelativeFD), get(opts.Size, 24, opts.RelativeID))
	if err != nil {
		return err
	}
	return k.ProgAttach(mprog.AttachRequest{
		TargetIfindex: uint32(target), AttachFD: uint32(progFD), AttachType: at,
		Flags: flags, Relative: rel,
		ReplaceFD:        get(opts.Size, 16, opts.ReplaceFD),
		ExpectedRevision: get(opts.Size, 32, opts.ExpectedRevision),
	})
}

// ProgDetachOpts is struct bpf_prog_detach_opts.
type ProgDetachOpts struct {
	Size
	Flags            mprog.Flags // at byte 8
	RelativeFD       uint32      // at byte 12
	RelativeID       uint32      // at byte 16
	ExpectedRevision uint64      // at byte 24
}

func (*ProgDetachOpts) size() uint64 { return 32 }

// ProgDetach is bpf_prog_detach_opts. progFD 0 names no program. It fails with
// EINVAL as [ProgAttach] does, and as the kernel does.
func ProgDetach(k mprog.Kernel, progFD, target int, at mprog.AttachType, opts *ProgDetachOpts) error {
	const op = mprog.OpProgDetach
	if opts == nil {
		opts = Opts(ProgDetachOpts{})
	}
	if err := opts.check(op, opts.size()); err != nil {
		return err
	}
	flags, rel, err := relative(op, get(opts.Size, 12, opts.Flags),
		get(opts.Size, 16, opts.RelativeFD), get(opts.Size, 20, opts.RelativeID))
	if err != nil {
		return err
	}
	return k.ProgDetach(mprog.DetachRequest{
		TargetIfindex: uint32(target), AttachFD: uint32(progFD), AttachType: at,
		Flags: flags, Relative: rel,
		ExpectedRevision: get(opts.Size, 32, opts.ExpectedRevision),
	})
}

// ProgQueryOpts is struct bpf_prog_query_opts.
type ProgQueryOpts struct {
	Size
	QueryFlags      uint32   // at byte 8
	AttachFlags     uint32   // at byte 12; written
	ProgIDs         []uint32 // at byte 16; filled
	Count           uint32   // at byte 24; read and written
	ProgAttachFlags []uint32 // at byte 32; filled
	LinkIDs         []uint32 // at byte 40; filled
	LinkAttachFlags []uint32 // at byte 48; filled
	Revision        uint64   // at byte 56; written
}

func (*ProgQueryOpts) size() uint64 { return 64 }

// ProgQuery is bpf_prog_query_opts. It fails with EINVAL for options of an
// invalid size, and as the kernel does. Count, Revision and AttachFlags are
// written whenever the size reaches to them: after an error they say what was
// asked for, 0 and 0, and after ENOSPC and EFAULT how much there is.
func ProgQuery(k mprog.Kernel, target int, at mprog.AttachType, opts *ProgQueryOpts) error {
	if opts == nil {
		opts = Opts(ProgQueryOpts{})
	}
	if err := opts.check(mprog.OpProgQuery, opts.size()); err != nil {
		return err
	}
	count := get(opts.Size, 28, opts.Count)
	res, err := k.ProgQuery(mprog.QueryRequest{
		TargetIfindex: uint32(target), AttachType: at, Count: count,
		QueryFlags:      get(opts.Size, 12, opts.QueryFlags),
		ProgIDs:         get(opts.Size, 24, opts.ProgIDs),
		ProgAttachFlags: get(opts.Size, 40, opts.ProgAttachFlags),
		LinkIDs:         get(opts.Size, 48, opts.LinkIDs),
		LinkAttachFlags: get(opts.Size, 56, opts.LinkAttachFlags),
	})
	if res.Revision == 0 { // the kernel has not written
		res = mprog.QueryResult{Count: count}
	}
	set(opts.Size, 16, &opts.AttachFlags, res.AttachFlags)
	set(opts.Size, 28, &opts.Count, res.Count)
	set(opts.Size, 64, &opts.Revision, res.Revision)
	return err
}

// set writes a field that ends at an offset, unless that is behind the size.
func set[T any](s Size, end uint64, field *T, value T) {
	if s.Sz >= end {
		*field = value
	}
}
