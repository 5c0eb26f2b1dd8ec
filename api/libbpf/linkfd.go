package libbpf

import "github.com/nkconform/nkconform/mprog"

// LinkCreateOpts is struct bpf_link_create_opts, with the tcx, netkit and cgroup
// members of its union, which are laid out alike. Its iterator and BTF fields
// are left out, and what the union's larger members add is [Size.Tail], which
// must be zero.
type LinkCreateOpts struct {
	Size
	Flags            mprog.Flags // at byte 8
	RelativeFD       uint32      // at byte 32
	RelativeID       uint32      // at byte 36
	ExpectedRevision uint64      // at byte 40
}

func (*LinkCreateOpts) size() uint64 { return 48 }

// LinkCreate is bpf_link_create, and returns the link's fd. It fails with EINVAL as
// [ProgAttach] does, and as the kernel does.
func LinkCreate(k mprog.Kernel, progFD, target int, at mprog.AttachType, opts *LinkCreateOpts) (fd int, err error) {
	const op = mprog.OpLinkCreate
	if opts == nil {
		opts = Opts(LinkCreateOpts{})
	}
	if err := opts.check(op, opts.size()); err != nil {
		return -1, err
	}
	flags, rel, err := relative(op, get(opts.Size, 12, opts.Flags),
		get(opts.Size, 36, opts.RelativeFD), get(opts.Size, 40, opts.RelativeID))
	if err != nil {
		return -1, err
	}
	link, err := k.LinkCreate(mprog.LinkCreateRequest{
		ProgFD: uint32(progFD), TargetIfindex: uint32(target), AttachType: at,
		Flags: flags, Relative: rel,
		ExpectedRevision: get(opts.Size, 48, opts.ExpectedRevision),
	})
	if err != nil {
		return -1, err
	}
	return int(link), nil
}

// LinkUpdateOpts is struct bpf_link_update_opts.
type LinkUpdateOpts struct {
	Size
	Flags     mprog.Flags // at byte 8
	OldProgFD uint32      // at byte 12
	OldMapFD  uint32      // at byte 16
}

// size leaves out the padding at the end, which is a part of the tail.
func (*LinkUpdateOpts) size() uint64 { return 20 }

// LinkUpdate is bpf_link_update. It fails with EINVAL for options of an invalid
// size and for an old program and an old map together, and as the kernel does. An
// old map shares its place with an old program, which the kernel takes it for.
func LinkUpdate(k mprog.Kernel, linkFD, newProgFD int, opts *LinkUpdateOpts) error {
	const op = mprog.OpLinkUpdate
	if opts == nil {
		opts = Opts(LinkUpdateOpts{})
	}
	if err := opts.check(op, opts.size()); err != nil {
		return err
	}
	oldProg, oldMap := get(opts.Size, 16, opts.OldProgFD), get(opts.Size, 20, opts.OldMapFD)
	if oldProg != 0 && oldMap != 0 {
		return refuse(op, "old_prog_fd %d and old_map_fd %d are both set", oldProg, oldMap)
	}
	return k.LinkUpdate(mprog.LinkUpdateRequest{
		LinkFD: uint32(linkFD), NewProgFD: uint32(newProgFD),
		Flags: get(opts.Size, 12, opts.Flags), OldProgFD: oldProg | oldMap,
	})
}

// LinkDetach is bpf_link_detach. It fails as the kernel does.
func LinkDetach(k mprog.Kernel, linkFD int) error {
	return k.LinkDetach(mprog.LinkDetachRequest{LinkFD: uint32(linkFD)})
}
