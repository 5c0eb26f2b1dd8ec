package rtnl

import "github.com/nkconform/nkconform/mprog"

// kind is the kind of link that is simulated.
const kind = "netkit"

// netkitInfo are the attributes that only netkit devices have (struct netkit).
type netkitInfo struct {
	primary  bool
	mode     uint32
	policy   uint32
	scrub    uint32
	headroom uint16
	tailroom uint16
}

// Values and attributes of netkit devices (include/uapi/linux/if_link.h).
const (
	modeL2     = 0 // NETKIT_L2
	modeL3     = 1 // NETKIT_L3
	policyPass = 0 // NETKIT_PASS
	policyDrop = 2 // NETKIT_DROP
	scrubOn    = 1 // NETKIT_SCRUB_DEFAULT

	netkitPeer       = 1
	netkitPrimary    = 2
	netkitPolicy     = 3
	netkitPeerPolicy = 4
	netkitMode       = 5
	netkitScrub      = 6
	netkitPeerScrub  = 7
	netkitHeadroom   = 8
	netkitTailroom   = 9
	netkitPairing    = 10

	pairingSingle = 1 // NETKIT_DEVICE_SINGLE
)

// Policy is what becomes of packets while no program is attached.
func (d *Device) Policy() mprog.NetkitPolicy {
	if d.policy == policyDrop {
		return mprog.Blackhole
	}
	return mprog.Forward
}

// Layer3 reports whether the device has no hardware address.
func (d *Device) Layer3() bool { return d.mode == modeL3 }

// Scrubs reports whether packets for another namespace lose their mark and priority.
func (d *Device) Scrubs() bool { return d.scrub == scrubOn }

// linkInfo is what a netkit device has in IFLA_LINKINFO (netkit_fill_info).
func (d *Device) linkInfo() []byte {
	return appendAttribute(appendText(nil, infoKind, kind), infoData, d.data())
}

func (d *Device) data() []byte {
	primary := uint8(0)
	if d.primary {
		primary = 1
	}
	p := appendU8(nil, netkitPrimary, primary)
	p = appendU32(p, netkitPolicy, d.policy)
	p = appendU32(p, netkitMode, d.mode)
	p = appendU32(p, netkitScrub, d.scrub)
	p = appendU16(p, netkitHeadroom, d.headroom)
	p = appendU16(p, netkitTailroom, d.tailroom)
	if d.peer == nil {
		return appendU32(p, netkitPairing, pairingSingle)
	}
	p = appendU32(p, netkitPeerPolicy, d.peer.policy)
	return appendU32(p, netkitPeerScrub, d.peer.scrub)
}

// configure applies policies and scrubs (netkit_new_link).
func configure(d *Device, data attributes) mprog.Errno {
	policies, scrubs := map[uint16]*uint32{netkitPolicy: &d.policy}, map[uint16]*uint32{netkitScrub: &d.scrub}
	if d.peer != nil {
		policies[netkitPeerPolicy], scrubs[netkitPeerScrub] = &d.peer.policy, &d.peer.scrub
	}
	for typ, field := range policies {
		if v, ok := data.u32(typ); ok {
			if v != policyPass && v != policyDrop {
				return mprog.EINVAL
			}
			*field = v
		}
	}
	for typ, field := range scrubs {
		if v, ok := data.u32(typ); ok {
			if v > scrubOn {
				return mprog.EINVAL
			}
			*field = v
		}
	}
	return 0
}

// changeNetkit is netkit_change_link, for the attributes of a request.
func (d *Device) changeNetkit(attrs attributes) mprog.Errno {
	info := attrs.nested(attrLinkInfo)
	if info[infoData] == nil {
		return 0
	}
	data := info.nested(infoData)
	if !d.primary {
		return mprog.EACCES
	}
	for _, fixed := range []uint16{netkitMode, netkitScrub, netkitPeerScrub, netkitHeadroom, netkitTailroom, netkitPrimary, netkitPeer} {
		if _, set := data[fixed]; set {
			return mprog.EACCES
		}
	}
	return configure(d, data)
}
