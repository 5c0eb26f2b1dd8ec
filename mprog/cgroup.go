package mprog

// A hook of a cgroup is named by an fd of the cgroup's folder, in the field that is
// the ifindex of other hooks (target_fd, which shares its place with target_ifindex).

// The attach types of cgroups (include/uapi/linux/bpf.h), which kernel/bpf/cgroup.c
// has lists for.
const (
	CgroupInetIngress     AttachType = 0  // BPF_CGROUP_INET_INGRESS
	CgroupInetEgress      AttachType = 1  // BPF_CGROUP_INET_EGRESS
	CgroupInetSockCreate  AttachType = 2  // BPF_CGROUP_INET_SOCK_CREATE
	CgroupSockOps         AttachType = 3  // BPF_CGROUP_SOCK_OPS
	CgroupDeviceAccess    AttachType = 6  // BPF_CGROUP_DEVICE
	CgroupInet4Bind       AttachType = 8  // BPF_CGROUP_INET4_BIND
	CgroupInet6Bind       AttachType = 9  // BPF_CGROUP_INET6_BIND
	CgroupInet4Connect    AttachType = 10 // BPF_CGROUP_INET4_CONNECT
	CgroupInet6Connect    AttachType = 11 // BPF_CGROUP_INET6_CONNECT
	CgroupInet4PostBind   AttachType = 12 // BPF_CGROUP_INET4_POST_BIND
	CgroupInet6PostBind   AttachType = 13 // BPF_CGROUP_INET6_POST_BIND
	CgroupUDP4Sendmsg     AttachType = 14 // BPF_CGROUP_UDP4_SENDMSG
	CgroupUDP6Sendmsg     AttachType = 15 // BPF_CGROUP_UDP6_SENDMSG
	CgroupSysctlAccess    AttachType = 18 // BPF_CGROUP_SYSCTL
	CgroupUDP4Recvmsg     AttachType = 19 // BPF_CGROUP_UDP4_RECVMSG
	CgroupUDP6Recvmsg     AttachType = 20 // BPF_CGROUP_UDP6_RECVMSG
	CgroupGetsockopt      AttachType = 21 // BPF_CGROUP_GETSOCKOPT
	CgroupSetsockopt      AttachType = 22 // BPF_CGROUP_SETSOCKOPT
	CgroupInet4Getpeer    AttachType = 29 // BPF_CGROUP_INET4_GETPEERNAME
	CgroupInet6Getpeer    AttachType = 30 // BPF_CGROUP_INET6_GETPEERNAME
	CgroupInet4Getsock    AttachType = 31 // BPF_CGROUP_INET4_GETSOCKNAME
	CgroupInet6Getsock    AttachType = 32 // BPF_CGROUP_INET6_GETSOCKNAME
	CgroupInetSockRelease AttachType = 34 // BPF_CGROUP_INET_SOCK_RELEASE
)

// cgroupTypes tells of each the name that libbpf and bpftool have for it, and the type
// of program that it takes (attach_type_to_prog_type).
var cgroupTypes = map[AttachType]struct {
	name string
	prog ProgType
}{
	CgroupInetIngress:     {"cgroup_inet_ingress", CgroupSKB},
	CgroupInetEgress:      {"cgroup_inet_egress", CgroupSKB},
	CgroupInetSockCreate:  {"cgroup_inet_sock_create", CgroupSock},
	CgroupSockOps:         {"cgroup_sock_ops", SockOps},
	CgroupDeviceAccess:    {"cgroup_device", CgroupDevice},
	CgroupInet4Bind:       {"cgroup_inet4_bind", CgroupSockAddr},
	CgroupInet6Bind:       {"cgroup_inet6_bind", CgroupSockAddr},
	CgroupInet4Connect:    {"cgroup_inet4_connect", CgroupSockAddr},
	CgroupInet6Connect:    {"cgroup_inet6_connect", CgroupSockAddr},
	CgroupInet4PostBind:   {"cgroup_inet4_post_bind", CgroupSock},
	CgroupInet6PostBind:   {"cgroup_inet6_post_bind", CgroupSock},
	CgroupUDP4Sendmsg:     {"cgroup_udp4_sendmsg", CgroupSockAddr},
	CgroupUDP6Sendmsg:     {"cgroup_udp6_sendmsg", CgroupSockAddr},
	CgroupSysctlAccess:    {"cgroup_sysctl", CgroupSysctl},
	CgroupUDP4Recvmsg:     {"cgroup_udp4_recvmsg", CgroupSockAddr},
	CgroupUDP6Recvmsg:     {"cgroup_udp6_recvmsg", CgroupSockAddr},
	CgroupGetsockopt:      {"cgroup_getsockopt", CgroupSockopt},
	CgroupSetsockopt:      {"cgroup_setsockopt", CgroupSockopt},
	CgroupInet4Getpeer:    {"cgroup_inet4_getpeername", CgroupSockAddr},
	CgroupInet6Getpeer:    {"cgroup_inet6_getpeername", CgroupSockAddr},
	CgroupInet4Getsock:    {"cgroup_inet4_getsockname", CgroupSockAddr},
	CgroupInet6Getsock:    {"cgroup_inet6_getsockname", CgroupSockAddr},
	CgroupInetSockRelease: {"cgroup_inet_sock_release", CgroupSock},
}

// Cgroup reports whether t is one of the hooks of a cgroup that are modelled. Those of
// LSM and of unix sockets are not.
func (t AttachType) Cgroup() bool {
	_, ok := cgroupTypes[t]
	return ok
}

// CgroupProgType returns the type of program that a cgroup's hook takes; 0: t is none.
func (t AttachType) CgroupProgType() ProgType { return cgroupTypes[t].prog }

func init() {
	for t, c := range cgroupTypes {
		attachTypeNames[t] = c.name
	}
}

// Flags of programs of cgroups (include/uapi/linux/bpf.h). The first two are the mode
// of a hook; with neither it takes one program, and none below it.
const (
	AllowOverride Flags = 1 << 0 // BPF_F_ALLOW_OVERRIDE: one program, which gives way to one below
	AllowMulti    Flags = 1 << 1 // BPF_F_ALLOW_MULTI: many programs, which run besides those below
	Preorder      Flags = 1 << 6 // BPF_F_PREORDER: runs in front, the outermost cgroup's first
)

// CgroupAttachMask holds the flags that BPF_PROG_ATTACH accepts on cgroups
// (BPF_F_ATTACH_MASK_BASE with BPF_F_ATTACH_MASK_MPROG).
const CgroupAttachMask = AttachMask | AllowOverride | AllowMulti | Preorder

// CgroupLinkMask holds the flags that BPF_LINK_CREATE accepts on cgroups
// (BPF_F_LINK_ATTACH_MASK).
const CgroupLinkMask = ID | Before | After | Preorder | Link

// MaxCgroupPrograms is how many programs one hook of a cgroup holds
// (BPF_CGROUP_MAX_PROGS).
const MaxCgroupPrograms = 64

// QueryEffective is BPF_F_QUERY_EFFECTIVE, in query_flags: the programs that run in a
// cgroup, those of its ancestors among them.
const QueryEffective uint32 = 1 << 0

// CgroupSpec describes a cgroup to make: a folder of the file system cgroup2.
type CgroupSpec struct {
	Name   string // of the folder
	Parent uint32 // an fd of the cgroup that it is made in; 0: the environment's own
}

// Cgroups makes cgroups of version 2. An [Environment] that can do so implements it;
// the first process makes the calls. Every error carries an errno or wraps
// [ErrUnsupported].
type Cgroups interface {
	// NewCgroup makes a cgroup and opens it (mkdir(2), open(2)). The id is the
	// cgroup's own, as links tell it.
	NewCgroup(CgroupSpec) (fd uint32, id uint64, err error)
	// RemoveCgroup removes a cgroup that neither processes nor other cgroups are in
	// (rmdir(2)): EBUSY. What was attached to it is let go of when it returns.
	RemoveCgroup(fd uint32) error
	// SendDatagram has a process send a datagram of UDP to another one over lo, and
	// tells what became of it: the programs at the sender's CgroupInetEgress ran, and,
	// unless it was dropped there, those at the receiver's CgroupInetIngress. Both
	// are processes of the environment, in one network namespace; nil is the first one.
	SendDatagram(from, to Process) (Delivery, error)
}

// CgroupMember is a process that can move to a cgroup.
type CgroupMember interface {
	// EnterCgroup moves the process to a cgroup (a write to cgroup.procs).
	EnterCgroup(fd uint32) error
}

// The operations of [Cgroups] and [CgroupMember].
const (
	OpNewCgroup    Op = "new cgroup"
	OpRemoveCgroup Op = "remove cgroup"
	OpEnterCgroup  Op = "enter cgroup"
	OpSendDatagram Op = "send datagram"
)
