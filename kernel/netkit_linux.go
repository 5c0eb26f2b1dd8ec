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
	var parent int
	err = k.create(spec, func(links *rtnl) error {
		err := links.execute(singleRequest(spec), func([]byte) {})
		if err != nil {
			return err
		}
		ifindex, parent, err = links.made(spec.Name)
		return err
	})
	switch {
	case err == nil && parent != 0 && uint32(parent) != ifindex:
		return 0, errors.Join(errNoSingle, k.DeleteDevice(ifindex))
	case err == nil:
		return ifindex, nil
	case spec.Policy != mprog.Forward, spec.PeerPolicy != mprog.Forward:
		return 0, singlePolicyError(k, err)
	}
	return 0, linkError(mprog.Netkit, err)
}

// made looks up what has just been created, and the device's peer.
func (r *rtnl) made(name string) (ifindex uint32, parent int, err error) {
	if ifindex, err = r.index(name); err != nil {
		return 0, 0, err
	}
	link, err := r.device(ifindex)
	if err != nil {
		return 0, 0, err
	}
	return ifindex, link.Attrs().ParentIndex, nil
}

// singlePolicyError tells a kernel that refuses a single device's policy from
// one that has no netkit devices at all.
func singlePolicyError(k *Kernel, err error) error {
	if unsupported := k.Supports(mprog.FeatureSingle); unsupported != nil {
		return unsupported
	}
	return plainErrno(err)
}

// singleRequest leaves out a peer's policy that is not asked for: the kernel refuses
// any word of a peer.
func singleRequest(spec mprog.DeviceSpec) *nl.NetlinkRequest {
	return newLink(spec, func(info *nl.RtAttr) {
		data := info.AddRtAttr(nl.IFLA_INFO_DATA, nil)
		data.AddRtAttr(iflaNetkitPairing, nl.Uint32Attr(netkitDeviceSingle))
		data.AddRtAttr(nl.IFLA_NETKIT_MODE, nl.Uint32Attr(uint32(netkitMode(spec.Mode))))
		data.AddRtAttr(nl.IFLA_NETKIT_POLICY, nl.Uint32Attr(uint32(netkitPolicy(spec.Policy))))
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
