package mprog

import "strconv"

// AttachType is the kernel's enum bpf_attach_type. Any number is a valid value
// of the Go type; only those named here are modelled.
type AttachType uint32

// The attach types that use mprog (include/uapi/linux/bpf.h).
const (
	TCXIngress    AttachType = 46 // BPF_TCX_INGRESS, Linux 6.6
	TCXEgress     AttachType = 47 // BPF_TCX_EGRESS, Linux 6.6
	NetkitPrimary AttachType = 54 // BPF_NETKIT_PRIMARY, Linux 6.7
	NetkitPeer    AttachType = 55 // BPF_NETKIT_PEER, Linux 6.7
)

// XDPDevice is BPF_XDP, a device's place for one link of an XDP program. It is no
// hook of mprog: there is nothing to query, and no revision.
const XDPDevice AttachType = 37

var attachTypeNames = map[AttachType]string{
	TCXIngress: "ingress", TCXEgress: "egress",
	NetkitPrimary: "primary", NetkitPeer: "peer", XDPDevice: "xdp",
}

// String returns ingress, egress, primary, peer or xdp, the names of cgroups' attach
// types as libbpf has them, and the number of any other attach type.
func (t AttachType) String() string {
	if s, ok := attachTypeNames[t]; ok {
		return s
	}
	return strconv.FormatUint(uint64(t), 10)
}

// ParseAttachType is the inverse of [AttachType.String].
func ParseAttachType(s string) (AttachType, bool) {
	for t, name := range attachTypeNames {
		if s == name {
			return t, true
		}
	}
	n, err := strconv.ParseUint(s, 0, 32)
	return AttachType(n), err == nil
}

// Netkit reports whether t is one of the two hooks of a netkit device.
func (t AttachType) Netkit() bool { return t == NetkitPrimary || t == NetkitPeer }

// TCX reports whether t is one of the two tcx hooks that every device has.
func (t AttachType) TCX() bool { return t == TCXIngress || t == TCXEgress }

// Hook is a place to attach to. Both hooks of a netkit pair are addressed by
// the ifindex of the pair's primary device, a cgroup's by an fd of it.
type Hook struct {
	Ifindex uint32 // or an fd of a cgroup
	Type    AttachType
}

// MaxPrograms is how many programs one hook holds: mprog's arrays have
// BPF_MPROG_MAX (64) slots, and the last stays empty (bpf_mprog_attach).
const MaxPrograms = 63
