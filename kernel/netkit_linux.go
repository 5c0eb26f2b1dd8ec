package kernel

import (
	"errors"
	"fmt"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"

	"github.com/nkconform/nkconform/mprog"
)

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
	err = k.withLinks(func(links *rtnl) error {
		return links.execute(singleRequest(spec), func([]byte) {})
	})
	if err != nil {
		if spec.Policy != mprog.Forward || spec.PeerPolicy != mprog.Forward {
			return 0, singlePolicyError(k, err)
		}
		return 0, linkError(mprog.Netkit, err)
	}
	var attrs *netlink.LinkAttrs
	err = k.outside(func() error {
		link, err := k.netns0().links.LinkByName(spec.Name)
		if err != nil {
			return fmt.Errorf("look up: %w", err)
		}
		attrs = link.Attrs()
		return nil
	})
	if err != nil {
		return 0, err
	}
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
	return newLink(spec, func(info *nl.RtAttr) {
		data := info.AddRtAttr(nl.IFLA_INFO_DATA, nil)
		data.AddRtAttr(iflaNetkitPairing, nl.Uint32Attr(netkitDeviceSingle))
		data.AddRtAttr(nl.IFLA_NETKIT_MODE, nl.Uint32Attr(uint32(netkitMode(spec.Mode))))
		if spec.Policy != mprog.Forward {
			data.AddRtAttr(nl.IFLA_NETKIT_POLICY, nl.Uint32Attr(uint32(netkitPolicy(spec.Policy))))
		}
		if spec.PeerPolicy != mprog.Forward {
			data.AddRtAttr(nl.IFLA_NETKIT_PEER_POLICY, nl.Uint32Attr(uint32(netkitPolicy(spec.PeerPolicy))))
		}
	})
}

// pairRequest describes a pair of netkit devices.
func pairRequest(spec mprog.DeviceSpec) *nl.NetlinkRequest {
	return newLink(spec, func(info *nl.RtAttr) {
		data := info.AddRtAttr(nl.IFLA_INFO_DATA, nil)
		data.AddRtAttr(nl.IFLA_NETKIT_MODE, nl.Uint32Attr(uint32(netkitMode(spec.Mode))))
		data.AddRtAttr(nl.IFLA_NETKIT_POLICY, nl.Uint32Attr(uint32(netkitPolicy(spec.Policy))))
		data.AddRtAttr(nl.IFLA_NETKIT_PEER_POLICY, nl.Uint32Attr(uint32(netkitPolicy(spec.PeerPolicy))))
		addPeer(data, nl.IFLA_NETKIT_PEER_INFO, spec.Peer)
	})
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
