package mprog

import "strconv"

// Shape says how a request's bpf_attr is handed to bpf(2). The zero value
// hands over exactly the fields of the command.
type Shape struct {
	// Size is the size argument of bpf(2) in bytes. Fields behind it are not
	// seen by the kernel; bytes between the command's fields and Size are zero.
	Size uint32
	// Junk is the offset of one byte that is set to 0xff, over whatever is
	// there; 0 for none. It has no effect at Size and above.
	Junk uint32
}

// AttachRequest is BPF_PROG_ATTACH (bpf_attr's first anonymous struct).
type AttachRequest struct {
	Shape
	TargetIfindex    uint32     // target_ifindex, or target_fd of a cgroup
	AttachFD         uint32     // attach_bpf_fd
	AttachType       AttachType // attach_type
	Flags            Flags      // attach_flags
	ReplaceFD        uint32     // replace_bpf_fd, read with Replace only
	Relative         uint32     // relative_fd, or relative_id with ID
	ExpectedRevision uint64     // expected_revision; 0: any
}

// DetachRequest is BPF_PROG_DETACH, which shares the fields of BPF_PROG_ATTACH.
// AttachFD 0 names no program.
type DetachRequest AttachRequest

// QueryRequest is BPF_PROG_QUERY (bpf_attr.query). The answer goes into the
// caller's slices, as in the kernel.
type QueryRequest struct {
	Shape
	TargetIfindex uint32     // query.target_ifindex, or target_fd of a cgroup
	AttachType    AttachType // query.attach_type
	QueryFlags    uint32     // query.query_flags
	AttachFlags   uint32     // query.attach_flags
	Count         uint32     // query.count: how many entries the slices can take

	// Nil is a null pointer; else the slice is at least Count long.
	ProgIDs         []uint32 // query.prog_ids; without it no slice is written
	ProgAttachFlags []uint32 // query.prog_attach_flags
	LinkIDs         []uint32 // query.link_ids
	LinkAttachFlags []uint32 // query.link_attach_flags
}

// Arrays returns where the request has its arrays, in the order of its fields.
func (r *QueryRequest) Arrays() [4]*[]uint32 {
	return [4]*[]uint32{&r.ProgIDs, &r.ProgAttachFlags, &r.LinkIDs, &r.LinkAttachFlags}
}

// QueryResult is what BPF_PROG_QUERY writes back besides the arrays. It is
// written first: it is valid when the call succeeds, when it fails with ENOSPC,
// and, if not zero, when it fails with EFAULT.
type QueryResult struct {
	AttachFlags uint32 // query.attach_flags: the mode of a cgroup's hook, else 0
	Count       uint32 // query.count: how many programs are attached
	Revision    uint64 // query.revision; 0 of a cgroup's effective programs
}

// LinkCreateRequest is BPF_LINK_CREATE (bpf_attr.link_create and its tcx,
// netkit and cgroup members, which are laid out alike).
type LinkCreateRequest struct {
	Shape
	ProgFD           uint32     // link_create.prog_fd
	TargetIfindex    uint32     // link_create.target_ifindex, or target_fd of a cgroup
	AttachType       AttachType // link_create.attach_type
	Flags            Flags      // link_create.flags
	Relative         uint32     // link_create.netkit.relative_fd, or relative_id with ID
	ExpectedRevision uint64     // link_create.netkit.expected_revision; 0: any
}

// LinkUpdateRequest is BPF_LINK_UPDATE (bpf_attr.link_update).
type LinkUpdateRequest struct {
	Shape
	LinkFD    uint32 // link_update.link_fd
	NewProgFD uint32 // link_update.new_prog_fd
	Flags     Flags  // link_update.flags: Replace or 0
	OldProgFD uint32 // link_update.old_prog_fd, with Replace only
}

// LinkDetachRequest is BPF_LINK_DETACH (bpf_attr.link_detach).
type LinkDetachRequest struct {
	Shape
	LinkFD uint32 // link_detach.link_fd
}

// ObjectKind tells the kinds of BPF objects that fds refer to apart.
type ObjectKind uint8

// The kinds of objects that the model has.
const (
	ProgObject ObjectKind = iota + 1
	LinkObject
)

// ObjectInfo is what BPF_OBJ_GET_INFO_BY_FD says of a program or a link; the
// fields of the other kind are zero.
type ObjectInfo struct {
	Kind ObjectKind
	ID   uint32 // bpf_prog_info.id, bpf_link_info.id

	ProgType ProgType // bpf_prog_info.type
	ProgName string   // bpf_prog_info.name, at most 15 bytes

	LinkType   LinkType   // bpf_link_info.type
	ProgID     uint32     // bpf_link_info.prog_id
	Ifindex    uint32     // bpf_link_info.{xdp,tcx,netkit}.ifindex; 0 when defunct
	CgroupID   uint64     // bpf_link_info.cgroup.cgroup_id; 0 when defunct
	AttachType AttachType // bpf_link_info.{tcx,netkit,cgroup}.attach_type; 0 for xdp
}

// ProgType is the kernel's enum bpf_prog_type.
type ProgType uint32

// Program types; only SchedCLS fits tcx and netkit hooks. Those behind XDP fit the
// hooks of cgroups.
const (
	SocketFilter   ProgType = 1  // BPF_PROG_TYPE_SOCKET_FILTER
	SchedCLS       ProgType = 3  // BPF_PROG_TYPE_SCHED_CLS
	XDP            ProgType = 6  // BPF_PROG_TYPE_XDP
	CgroupSKB      ProgType = 8  // BPF_PROG_TYPE_CGROUP_SKB
	CgroupSock     ProgType = 9  // BPF_PROG_TYPE_CGROUP_SOCK
	SockOps        ProgType = 13 // BPF_PROG_TYPE_SOCK_OPS
	CgroupDevice   ProgType = 15 // BPF_PROG_TYPE_CGROUP_DEVICE
	CgroupSockAddr ProgType = 18 // BPF_PROG_TYPE_CGROUP_SOCK_ADDR
	CgroupSysctl   ProgType = 23 // BPF_PROG_TYPE_CGROUP_SYSCTL
	CgroupSockopt  ProgType = 25 // BPF_PROG_TYPE_CGROUP_SOCKOPT
)

// Cgroup reports whether programs of the type are attached to cgroups.
func (t ProgType) Cgroup() bool {
	switch t {
	case CgroupSKB, CgroupSock, SockOps, CgroupDevice, CgroupSockAddr, CgroupSysctl, CgroupSockopt:
		return true
	}
	return false
}

// LinkType is the kernel's enum bpf_link_type.
type LinkType uint32

// Link types of what is modelled.
const (
	CgroupLink LinkType = 3  // BPF_LINK_TYPE_CGROUP
	XDPLink    LinkType = 6  // BPF_LINK_TYPE_XDP
	TCXLink    LinkType = 11 // BPF_LINK_TYPE_TCX
	NetkitLink LinkType = 13 // BPF_LINK_TYPE_NETKIT
)

// String returns cgroup, xdp, tcx, netkit, or the number of any other type.
func (t LinkType) String() string {
	switch t {
	case CgroupLink:
		return "cgroup"
	case XDPLink:
		return "xdp"
	case TCXLink:
		return "tcx"
	case NetkitLink:
		return "netkit"
	}
	return strconv.FormatUint(uint64(t), 10)
}
