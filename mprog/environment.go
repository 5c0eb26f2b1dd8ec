package mprog

// Environment is a kernel to test on, with the means to set the stage: devices
// and programs. Its Kernel methods are the calls of a process with all
// capabilities. Nothing of one environment is seen in another.
type Environment interface {
	Kernel

	// Supports returns nil when the environment has the feature, and otherwise
	// an error that wraps ErrUnsupported and says what is missing.
	Supports(Feature) error
	// AddDevice creates a device, or a pair of them, and returns their
	// ifindexes; peer is 0 for a device without peer.
	AddDevice(DeviceSpec) (ifindex, peer uint32, err error)
	// DeleteDevice deletes a device, and its peer if it has one.
	DeleteDevice(ifindex uint32) error
	// NewNetns creates a network namespace.
	NewNetns() (Netns, error)
	// EndNetns closes the environment's own reference to a network namespace,
	// which nothing is put into any more: EBADF. With that, or with the end of the
	// last process that lives there, the namespace ends, and its devices and their
	// peers are gone when the call returns. The first process's ends with the
	// environment: EndNetns of it wraps ErrUnsupported.
	EndNetns(Netns) error
	// MoveDevice moves a device from the first process's namespace to another,
	// and returns the ifindex it has there.
	MoveDevice(ifindex uint32, to Netns) (uint32, error)
	// NewProcess starts a process. Shutdown ends it if nothing else does.
	NewProcess(ProcessSpec) (Process, error)
	// Transmit brings a netkit pair, or lo, up and has the device transmit one
	// packet, and tells what became of it. Other devices wrap ErrUnsupported.
	Transmit(ifindex uint32) (Delivery, error)
	// LoadProg loads a program that does nothing but return a number, and
	// returns its fd.
	LoadProg(ProgSpec) (fd uint32, err error)
	// Shutdown undoes whatever was done in the environment. It must be called,
	// and nothing may be called afterwards.
	Shutdown() error
}

// Runner is implemented by environments that can run a function where their
// calls are made, which spares handing over each call by itself. The function
// must return, use neither files nor sockets, and not shut the environment down.
type Runner interface{ Run(func()) error }

// Feature is something a kernel may lack. A version is never asked for: whoever
// implements an environment probes.
type Feature string

// The features that scenarios can need.
const (
	FeatureTCX    Feature = "tcx"    // tcx hooks, Linux 6.6
	FeatureNetkit Feature = "netkit" // netkit devices, Linux 6.7 with CONFIG_NETKIT
	FeatureVeth   Feature = "veth"   // veth devices, often a module
	FeatureDummy  Feature = "dummy"  // dummy devices, often a module
	FeatureSingle Feature = "single" // netkit devices without peer, Linux 7.1
	FeatureClsact Feature = "clsact" // clsact qdiscs with cls_bpf filters, often modules
	FeatureCgroup Feature = "cgroup" // cgroups of version 2 with hooks, CONFIG_CGROUP_BPF
	// Positions and revisions on cgroups, Linux 6.17 and 6.12.111.
	FeatureCgroupMprog Feature = "cgroup-mprog"
)

// Features lists every feature known here.
var Features = []Feature{FeatureTCX, FeatureNetkit, FeatureVeth, FeatureDummy, FeatureSingle, FeatureClsact,
	FeatureCgroup, FeatureCgroupMprog}

// DeviceKind is a device's IFLA_INFO_KIND.
type DeviceKind string

// The kinds of devices that environments create.
const (
	Netkit DeviceKind = "netkit"
	Veth   DeviceKind = "veth"
	Dummy  DeviceKind = "dummy"
	// AnyDevice is whatever single device the kernel can make, for scenarios to
	// which the kind does not matter. It may be an end of a pair.
	AnyDevice DeviceKind = "device"
)

// DeviceSpec describes a device to create. Devices are created in the first
// process's network namespace, and left down.
type DeviceSpec struct {
	Kind DeviceKind
	Name string
	Peer string // the peer device's name, for Netkit and Veth; "": a single netkit device

	Mode       NetkitMode   // of Netkit
	Policy     NetkitPolicy // of Netkit: what happens where no program is attached
	PeerPolicy NetkitPolicy // the same for the peer
}

// NetkitMode is IFLA_NETKIT_MODE. The zero value is L3, the kernel's default.
type NetkitMode uint8

// The modes of netkit devices.
const (
	L3 NetkitMode = iota
	L2
)

// NetkitPolicy is IFLA_NETKIT_POLICY and IFLA_NETKIT_PEER_POLICY.
type NetkitPolicy uint8

// The policies of netkit devices.
const (
	Forward   NetkitPolicy = iota // NETKIT_PASS, the kernel's default
	Blackhole                     // NETKIT_DROP
)

// Delivery is what became of a packet.
type Delivery struct {
	Delivered bool     // it got through all hooks
	Ran       []uint32 // ids of the programs that ran on it, in order
}

// ProgSpec describes a program to load.
type ProgSpec struct {
	Type   ProgType // 0: SchedCLS
	Name   string   // at most 15 bytes of [A-Za-z0-9_.]
	Return int32    // what the program returns
	// Expected is expected_attach_type; environments that make programs for
	// themselves leave it 0.
	Expected AttachType
	// Mute programs need not tell Transmit that they ran, which saves the verifier
	// of a real kernel half of its work. Transmit must not be called with them.
	Mute bool
	// Used says that a mute program will do that has been loaded and used before,
	// since nobody asks what its id is, or whether it is gone after its last fd.
	// The name is then a wish.
	Used bool
}
