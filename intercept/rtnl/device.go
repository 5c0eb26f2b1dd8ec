package rtnl

import (
	"crypto/sha256"
	"fmt"
	"strings"

	"github.com/nkconform/nkconform/mprog"
)

// Device is one end of a simulated netkit pair, or a device without a peer.
type Device struct {
	Netns   uint64 // the namespace it is in
	Index   uint32
	Name    string
	Flags   uint32 // IFF_*
	MTU     uint32
	Address [6]byte

	ids      namespaceIDs
	peer     *Device
	primary  bool
	alias    string
	group    uint32
	queueLen uint32
	mode     uint32
	policy   uint32
	scrub    uint32
	headroom uint16
	tailroom uint16
}

// Values of a device and of its attributes (include/uapi/linux/if_link.h,
// include/uapi/linux/if.h).
const (
	modeL2     = 0 // NETKIT_L2
	modeL3     = 1 // NETKIT_L3
	policyPass = 0 // NETKIT_PASS
	policyDrop = 2 // NETKIT_DROP
	scrubOn    = 1 // NETKIT_SCRUB_DEFAULT

	FlagUp        = 0x1     // IFF_UP
	flagBroadcast = 0x2     // IFF_BROADCAST
	flagRunning   = 0x40    // IFF_RUNNING
	flagNoARP     = 0x80    // IFF_NOARP
	flagMulticast = 0x1000  // IFF_MULTICAST
	flagLowerUp   = 0x10000 // IFF_LOWER_UP

	changeable = FlagUp | 0x100 | 0x200 | flagNoARP | flagMulticast // and PROMISC, ALLMULTI

	kind    = "netkit"
	minMTU  = 68
	maxMTU  = 65535
	maxName = 15
)

// Attributes of a link.
const (
	attrAddress     = 1
	attrBroadcast   = 2
	attrName        = 3
	attrMTU         = 4
	attrLink        = 5
	attrQdisc       = 6
	attrMaster      = 10
	attrQueueLen    = 13
	attrOperState   = 16
	attrLinkMode    = 17
	attrLinkInfo    = 18
	attrNetnsPID    = 19
	attrAlias       = 20
	attrGroup       = 27
	attrNetnsFD     = 28
	attrPromiscuity = 30
	attrTxQueues    = 31
	attrRxQueues    = 32
	attrCarrier     = 33
	attrLinkNetnsID = 37
	attrMinMTU      = 50
	attrMaxMTU      = 51
	attrAltName     = 53

	infoKind = 1
	infoData = 2

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

// newDevice is what netkit_setup makes.
func newDevice(netns uint64, index uint32, name string, mode uint32) *Device {
	d := &Device{
		Netns: netns, Index: index, Name: name, Flags: flagBroadcast | flagMulticast | flagNoARP,
		MTU: 1500, queueLen: 1000, mode: mode, scrub: scrubOn,
	}
	if mode == modeL2 {
		d.Flags &^= flagNoARP
		d.Address = addressFor(netns, index)
	}
	return d
}

// addressFor makes up a hardware address that the same calls make up again.
func addressFor(netns uint64, index uint32) (a [6]byte) {
	sum := sha256.Sum256(fmt.Appendf(nil, "%d", index))
	copy(a[:], sum[:])
	a[0] = a[0]&^1 | 2 // unicast, locally administered
	return a
}

// Peer is the device's other end, nil if it has none.
func (d *Device) Peer() *Device { return d.peer }

// Policy is what becomes of packets while no program is attached.
func (d *Device) Policy() mprog.NetkitPolicy {
	if d.policy == policyDrop {
		return mprog.Blackhole
	}
	return mprog.Forward
}

// Carrier reports whether both ends are up, and so both carry.
func (d *Device) Carrier() bool {
	return d.Flags&FlagUp != 0 && (d.peer == nil || d.peer.Flags&FlagUp != 0)
}

// flags are what user space is shown (dev_get_flags).
func (d *Device) flags() uint32 {
	f := d.Flags
	if d.Carrier() {
		f |= flagRunning | flagLowerUp
	}
	return f
}

// Operational states (RFC 2863).
const (
	stateDown       = 2
	stateLowerDown  = 3
	stateUp         = 6
	linkModeDefault = 0
)

func (d *Device) operState() uint8 {
	switch {
	case d.Carrier():
		return stateUp
	case d.Flags&FlagUp != 0:
		return stateLowerDown
	}
	return stateDown
}

// header is the device's struct ifinfomsg.
func (d *Device) header(change uint32) []byte {
	p := native.AppendUint16(nil, 0) // AF_UNSPEC
	p = native.AppendUint16(p, 1)    // ARPHRD_ETHER
	p = native.AppendUint32(p, d.Index)
	p = native.AppendUint32(p, d.flags())
	return native.AppendUint32(p, change)
}

// describe encodes the device (rtnl_fill_ifinfo, netkit_fill_info).
func (d *Device) describe(change uint32) []byte {
	p := d.header(change)
	p = appendText(p, attrName, d.Name)
	p = appendU32(p, attrQueueLen, d.queueLen)
	p = appendU8(p, attrOperState, d.operState())
	p = appendU8(p, attrLinkMode, linkModeDefault)
	p = appendU32(p, attrMTU, d.MTU)
	p = appendU32(p, attrMinMTU, minMTU)
	p = appendU32(p, attrMaxMTU, maxMTU)
	p = appendU32(p, attrGroup, d.group)
	p = appendU32(p, attrPromiscuity, 0)
	p = appendU32(p, attrTxQueues, 1)
	p = appendU32(p, attrRxQueues, 1)
	carrier := uint8(0)
	if d.Carrier() {
		carrier = 1
	}
	p = appendU8(p, attrCarrier, carrier)
	qdisc := "noop"
	if d.Flags&FlagUp != 0 {
		qdisc = "noqueue"
	}
	p = appendText(p, attrQdisc, qdisc)
	if d.alias != "" {
		p = appendText(p, attrAlias, d.alias)
	}
	if d.peer != nil {
		p = appendU32(p, attrLink, d.peer.Index)
	}
	if d.peer != nil && d.peer.Netns != d.Netns {
		p = appendU32(p, attrLinkNetnsID, d.ids.of(d.Netns, d.peer.Netns))
	}
	p = appendAttribute(p, attrAddress, d.Address[:])
	p = appendAttribute(p, attrBroadcast, []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff})
	info := appendText(nil, infoKind, kind)
	info = appendAttribute(info, infoData, d.data())
	return appendAttribute(p, attrLinkInfo, info)
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

// checkName is dev_valid_name.
func checkName(s string) mprog.Errno {
	if s == "" || len(s) > maxName || s == "." || s == ".." || strings.ContainsAny(s, "/: \t\n\v\f\r") {
		return mprog.EINVAL
	}
	return 0
}
