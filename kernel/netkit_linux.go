package kernel

import (
	"errors"
	"fmt"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/nkconform/nkconform/mprog"
)

// newNetkit describes a pair of netkit devices to rtnetlink.
func newNetkit(attrs netlink.LinkAttrs, spec mprog.DeviceSpec) *netlink.Netkit {
	nk := &netlink.Netkit{
		LinkAttrs:  attrs,
		Mode:       netkitMode(spec.Mode),
		Policy:     netkitPolicy(spec.Policy),
		PeerPolicy: netkitPolicy(spec.PeerPolicy),
		Scrub:      netlink.NETKIT_SCRUB_DEFAULT,
		PeerScrub:  netlink.NETKIT_SCRUB_DEFAULT,
	}
	peer := netlink.NewLinkAttrs()
	peer.Name = spec.Peer
	nk.SetPeerAttrs(&peer)
	return nk
}

func netkitMode(m mprog.NetkitMode) netlink.NetkitMode {
	if m == mprog.L2 {
		return netlink.NETKIT_MODE_L2
	}
	return netlink.NETKIT_MODE_L3
}

func netkitPolicy(p mprog.NetkitPolicy) netlink.NetkitPolicy {
	if p == mprog.Blackhole {
		return netlink.NETKIT_POLICY_BLACKHOLE
	}
	return netlink.NETKIT_POLICY_FORWARD
}

// Newer than package netlink (include/uapi/linux/if_link.h).
const (
	iflaNetkitPairing  = 10
	netkitDeviceSingle = 1
)

var errNoSingle = fmt.Errorf("%w: the kernel has no netkit devices without peer", mprog.ErrUnsupported)

// addSingle creates a netkit device without peer. Kernels that do not know of
// such devices make a pair, or refuse.
func (k *Kernel) addSingle(spec mprog.DeviceSpec) (ifindex uint32, err error) {
	err = k.within(k.netns0(), func() error {
		_, err := singleRequest(spec).Execute(unix.NETLINK_ROUTE, 0)
		return err
	})
	if err != nil {
		if spec.Policy != mprog.Forward || spec.PeerPolicy != mprog.Forward {
			return 0, singlePolicyError(k, err)
		}
		return 0, linkError(mprog.Netkit, err)
	}
	link, err := k.netns0().links.LinkByName(spec.Name)
	if err != nil {
		return 0, fmt.Errorf("look up: %w", err)
	}
	attrs := link.Attrs()
	if attrs.ParentIndex != 0 && attrs.ParentIndex != attrs.Index {
		return 0, errors.Join(errNoSingle, k.DeleteDevice(uint32(attrs.Index)))
	}
	return uint32(attrs.Index), nil
}

// singlePolicyError tells a kernel that refuses a single device's policy from
// one that has no netkit devices at all.
func singlePolicyError(k *Kernel, err error) error {
	if unsupported := k.Supports(mprog.FeatureSingle); unsupported != nil {
		return unsupported
	}
	return plainErrno(err)
}

// singleRequest leaves out what is not asked for: the kernel refuses any word of
// a peer.
func singleRequest(spec mprog.DeviceSpec) *nl.NetlinkRequest {
	r := nl.NewNetlinkRequest(unix.RTM_NEWLINK, unix.NLM_F_CREATE|unix.NLM_F_EXCL|unix.NLM_F_ACK)
	r.AddData(nl.NewIfInfomsg(unix.AF_UNSPEC))
	r.AddData(nl.NewRtAttr(unix.IFLA_IFNAME, nl.ZeroTerminated(spec.Name)))
	info := nl.NewRtAttr(unix.IFLA_LINKINFO, nil)
	info.AddRtAttr(nl.IFLA_INFO_KIND, nl.NonZeroTerminated(string(mprog.Netkit)))
	data := info.AddRtAttr(nl.IFLA_INFO_DATA, nil)
	number := func(attribute int, v uint32) { data.AddRtAttr(attribute, nl.Uint32Attr(v)) }
	number(iflaNetkitPairing, netkitDeviceSingle)
	number(nl.IFLA_NETKIT_MODE, uint32(netkitMode(spec.Mode)))
	if spec.Policy != mprog.Forward {
		number(nl.IFLA_NETKIT_POLICY, uint32(netkitPolicy(spec.Policy)))
	}
	if spec.PeerPolicy != mprog.Forward {
		number(nl.IFLA_NETKIT_PEER_POLICY, uint32(netkitPolicy(spec.PeerPolicy)))
	}
	r.AddData(info)
	return r
}

// within runs a function on a thread in a namespace, with the program's own file
// descriptors.
func (k *Kernel) within(n *namespace, call func() error) error {
	t, err := startThread(func() error {
		if err := n.enter(); err != nil {
			return err
		}
		return call()
	})
	if err != nil {
		return err
	}
	t.stop()
	return nil
}
