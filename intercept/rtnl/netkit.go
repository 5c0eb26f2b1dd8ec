package rtnl

import "github.com/nkconform/nkconform/mprog"

// kind is the kind of link that is simulated.
const kind = "netkit"

// Netkit is what a release knows of netkit devices.
type Netkit struct {
	Pairs  bool // there are such devices: Linux 6.7
	Scrub  bool // SCRUB and PEER_SCRUB: Linux 6.12.4
	Room   bool // HEADROOM and TAILROOM, which 6.12 ignores: Linux 6.14
	Single bool // devices without a peer, PAIRING, and one transmit queue only: Linux 7.1
}

// netkitInfo are the attributes that only netkit devices have (struct netkit).
type netkitInfo struct {
	release  Netkit
	primary  bool
	single   bool
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

// Room is how much the device wants free in front of packets and behind them.
func (d *Device) Room() [2]uint16 { return [2]uint16{d.headroom, d.tailroom} }

// linkInfo is what a netkit device has in IFLA_LINKINFO, with its peer if that is
// there (netkit_fill_info).
func (d *Device) linkInfo(peer *Device) []byte {
	return appendAttribute(appendText(nil, infoKind, kind), infoData, d.data(peer))
}

func (d *Device) data(peer *Device) []byte {
	primary, pairing := uint8(0), uint32(0)
	if d.primary {
		primary = 1
	}
	p := appendU8(nil, netkitPrimary, primary)
	p = appendU32(p, netkitPolicy, d.policy)
	p = appendU32(p, netkitMode, d.mode)
	if d.single {
		pairing = pairingSingle
	} else if d.release.Scrub {
		p = appendU32(p, netkitScrub, d.scrub)
	}
	if d.release.Room {
		p = appendU16(p, netkitHeadroom, d.headroom)
		p = appendU16(p, netkitTailroom, d.tailroom)
	}
	if d.release.Single {
		p = appendU32(p, netkitPairing, pairing)
	}
	if peer != nil {
		p = appendU32(p, netkitPeerPolicy, peer.policy)
		if d.release.Scrub {
			p = appendU32(p, netkitPeerScrub, peer.scrub)
		}
	}
	return p
}

// netkitData are the attributes of a request that only netkit devices have, checked
// as netlink does before anything else (netkit_policy). What the release does not know
// is left out.
func (r *linkRequest) netkitData(release Netkit) (attributes, error) {
	numbers := map[uint16]number{
		netkitPolicy: u32Number, netkitPeerPolicy: u32Number, netkitMode: u32Number,
	}
	known := uint16(netkitMode)
	if release.Scrub {
		known = netkitPeerScrub
		numbers[netkitScrub], numbers[netkitPeerScrub] = upTo(scrubOn), upTo(scrubOn)
	}
	if release.Room {
		known = netkitTailroom
		numbers[netkitMode], numbers[netkitHeadroom], numbers[netkitTailroom] = upTo(modeL3), u16Number, u16Number
	}
	if release.Single {
		known = netkitPairing
		numbers[netkitPairing] = upTo(pairingSingle)
	}
	data, why := attributes{}, (*refusal)(nil)
	walk(r.attrs.nested(attrLinkInfo)[infoData], func(typ uint16, value []byte) {
		n, isNumber := numbers[typ]
		switch {
		case why != nil || typ > known:
			return
		case typ == netkitPrimary:
			why = r.blame(value, mprog.EINVAL, "Primary attribute is read-only")
		case typ == netkitPeer && len(value) < infoSize:
			why = r.blame(value, mprog.ERANGE, shortAttribute)
		case isNumber:
			why = n.check(r, value)
		}
		data[typ] = value
	})
	if why != nil {
		return nil, why
	}
	return data, nil
}

// policyOf reads a policy, if the request has it (netkit_check_policy).
func (r *linkRequest) policyOf(data attributes, typ uint16, field *uint32) error {
	v, set := data.u32(typ)
	switch {
	case !set:
		return nil
	case v != policyPass && v != policyDrop:
		return r.blame(data[typ], mprog.EINVAL, "Provided default xmit policy not supported")
	}
	*field = v
	return nil
}

// fixed is what of a netkit device cannot be changed.
type fixed struct {
	typ   uint16
	errno mprog.Errno
	what  string
}

// fixedAt lists that in the order in which a release looks.
func fixedAt(release Netkit) []fixed {
	if !release.Room {
		return []fixed{
			{netkitMode, mprog.EACCES, "link operating mode"}, {netkitScrub, mprog.EACCES, "scrubbing"},
			{netkitPeerScrub, mprog.EACCES, "scrubbing"}, {netkitPeer, mprog.EINVAL, "peer info"},
		}
	}
	return []fixed{
		{netkitMode, mprog.EACCES, "link operating mode"}, {netkitScrub, mprog.EACCES, "link scrubbing"},
		{netkitPeerScrub, mprog.EACCES, "link peer scrubbing"}, {netkitPeer, mprog.EACCES, "link peer info"},
		{netkitHeadroom, mprog.EACCES, "link headroom"}, {netkitTailroom, mprog.EACCES, "link tailroom"},
		{netkitPairing, mprog.EACCES, "link pairing"},
	}
}

// changeNetkit is netkit_change_link. A policy that is taken stays when the next one
// is refused.
func (d *Device) changeNetkit(r *linkRequest, data attributes) error {
	if !d.primary {
		return refused(mprog.EACCES, "netkit link settings can be changed only through the primary device")
	}
	for _, f := range fixedAt(d.release) {
		if p, set := data[f.typ]; set {
			return r.blame(p, f.errno, "netkit "+f.what+" cannot be changed after device creation")
		}
	}
	if d.single {
		if data[netkitPolicy] != nil || data[netkitPeerPolicy] != nil {
			return mprog.EOPNOTSUPP
		}
		return nil
	}
	if err := r.policyOf(data, netkitPolicy, &d.policy); err != nil {
		return err
	}
	return r.policyOf(data, netkitPeerPolicy, &d.peer.policy)
}

// leftBridge is what a bridge that a device leaves makes of the room before packets
// at both ends (netdev_reset_rx_headroom, netkit_set_headroom).
func (d *Device) leftBridge() {
	const bridgeRoom = 64 // NET_SKB_PAD
	d.headroom = max(d.headroom, bridgeRoom)
	if d.peer != nil {
		d.peer.headroom = d.headroom
	}
}
