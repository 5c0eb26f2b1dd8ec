package libbpf

import "github.com/nkconform/nkconform/mprog"

// Program is what libbpf knows of a program that it loaded.
type Program struct {
	Name string
	// FD is negative before the program is loaded.
	FD int
	// ExpectedAttachType follows from the program's section, such as
	// "netkit/primary", and says which hook it is attached to.
	ExpectedAttachType mprog.AttachType
}

// NetkitOpts is struct bpf_netkit_opts.
type NetkitOpts struct {
	Size
	Flags            mprog.Flags // at byte 8
	RelativeFD       uint32      // at byte 12
	RelativeID       uint32      // at byte 16
	ExpectedRevision uint64      // at byte 24
}

func (*NetkitOpts) size() uint64 { return 32 }

// TCXOpts is struct bpf_tcx_opts, which is laid out as bpf_netkit_opts.
type TCXOpts = NetkitOpts

// CgroupOpts is struct bpf_cgroup_opts (libbpf 1.6 and later), which is laid out as
// bpf_netkit_opts.
type CgroupOpts = NetkitOpts

// AttachNetkit is bpf_program__attach_netkit. It fails with EINVAL for options of
// an invalid size, ifindex 0, RelativeFD and RelativeID together, and a program
// that is not loaded, and as the kernel does.
func AttachNetkit(k mprog.Kernel, prog *Program, ifindex int, opts *NetkitOpts) (*Link, error) {
	return attachDevice(k, "attach netkit", prog, ifindex, opts)
}

// AttachTCX is bpf_program__attach_tcx. It fails as [AttachNetkit] does.
func AttachTCX(k mprog.Kernel, prog *Program, ifindex int, opts *TCXOpts) (*Link, error) {
	return attachDevice(k, "attach tcx", prog, ifindex, opts)
}

// AttachCgroup is bpf_program__attach_cgroup_opts, and without options
// bpf_program__attach_cgroup. It fails with EINVAL for options of an invalid size,
// RelativeFD and RelativeID together, and a program that is not loaded, and as the
// kernel does.
func AttachCgroup(k mprog.Kernel, prog *Program, cgroupFD int, opts *CgroupOpts) (*Link, error) {
	return attach(k, "attach cgroup", prog, cgroupFD, opts)
}

// attachDevice looks at the ifindex behind the size of the options.
func attachDevice(k mprog.Kernel, op mprog.Op, prog *Program, ifindex int, opts *NetkitOpts) (*Link, error) {
	if opts == nil {
		opts = Opts(NetkitOpts{})
	}
	if err := opts.check(op, opts.size()); err != nil {
		return nil, err
	}
	if ifindex == 0 {
		return nil, refuse(op, "prog %q: target netdevice ifindex cannot be zero", prog.Name)
	}
	return attach(k, op, prog, ifindex, opts)
}

func attach(k mprog.Kernel, op mprog.Op, prog *Program, target int, opts *NetkitOpts) (*Link, error) {
	if opts == nil {
		opts = Opts(NetkitOpts{})
	}
	if err := opts.check(op, opts.size()); err != nil {
		return nil, err
	}
	create := Opts(LinkCreateOpts{
		Flags:            get(opts.Size, 12, opts.Flags),
		RelativeFD:       get(opts.Size, 16, opts.RelativeFD),
		RelativeID:       get(opts.Size, 20, opts.RelativeID),
		ExpectedRevision: get(opts.Size, 32, opts.ExpectedRevision),
	})
	if _, _, err := relative(op, 0, create.RelativeFD, create.RelativeID); err != nil {
		return nil, err
	}
	if prog.FD < 0 {
		return nil, refuse(op, "prog %q: cannot attach before loaded", prog.Name)
	}
	fd, err := LinkCreate(k, prog.FD, target, prog.ExpectedAttachType, create)
	if err != nil {
		return nil, err
	}
	return &Link{kernel: k, fd: fd}, nil
}
