package rtnl

import (
	"crypto/sha256"
	"fmt"
	"strings"

	"github.com/nkconform/nkconform/mprog"
)

// Device is one end of a simulated netkit pair, or a device without a peer.
//
// Where there are [Wires], a device of the running kernel stands for it, which has
// its flags, addresses and all else that every device has; only what makes it a
// netkit device is kept here. Elsewhere it is here alone.
type Device struct {
	Netns uint64 // the namespace it is in
	Index uint32
	Name  string
	Flags uint32 // IFF_*

	netkitInfo
	peer     *Device
	wires    Wires // nil: the running kernel has nothing that stands for it
	ids      namespaceIDs
	mtu      uint32
	address  [6]byte
	alias    string
	group    uint32
	queueLen uint32
	queues   [2]uint32         // for what it sends, and for what it receives
	great    map[uint16]uint32 // see greatSizes
	bridged  bool              // a port of a bridge
}

// Values of a device and of its attributes (include/uapi/linux/if_link.h,
// include/uapi/linux/if.h).
const (
	FlagUp        = 0x1     // IFF_UP
	flagBroadcast = 0x2     // IFF_BROADCAST
	flagRunning   = 0x40    // IFF_RUNNING
	flagNoARP     = 0x80    // IFF_NOARP
	flagMulticast = 0x1000  // IFF_MULTICAST
	flagLowerUp   = 0x10000 // IFF_LOWER_UP

	changeable = FlagUp | 0x100 | 0x200 | flagNoARP | flagMulticast // and PROMISC, ALLMULTI

	minMTU  = 68
	maxMTU  = 65535
	maxName = 15
)

// Attributes of a link.
const (
	attrAddress       = 1
	attrBroadcast     = 2
	attrName          = 3
	attrMTU           = 4
	attrLink          = 5
	attrQdisc         = 6
	attrMaster        = 10
	attrQueueLen      = 13
	attrOperState     = 16
	attrLinkMode      = 17
	attrLinkInfo      = 18
	attrNetnsPID      = 19
	attrAlias         = 20
	attrGroup         = 27
	attrNetnsFD       = 28
	attrPromiscuity   = 30
	attrTxQueues      = 31
	attrRxQueues      = 32
	attrCarrier       = 33
	attrLinkNetnsID   = 37
	attrStats         = 7
	attrStats64       = 23
	attrTargetNetnsID = 46
	attrNewIndex      = 49
	attrPermAddress   = 54
	attrMinMTU        = 50
	attrMaxMTU        = 51
	attrAltName       = 53
	attrFamilies      = 26 // IFLA_AF_SPEC
	attrHeadroom      = 68
	attrTailroom      = 69

	infoKind     = 1
	infoData     = 2
	infoPortKind = 4 // IFLA_INFO_SLAVE_KIND
)

// newDevice is what netkit_setup makes.
func newDevice(netns uint64, index uint32, name string, model netkitInfo) *Device {
	d := &Device{
		Netns: netns, Index: index, Name: name, Flags: flagBroadcast | flagMulticast | flagNoARP,
		mtu: 1500, queueLen: 1000, netkitInfo: model, queues: [2]uint32{1, 1}, great: map[uint16]uint32{},
	}
	if model.mode == modeL2 {
		d.Flags &^= flagNoARP
		d.address = addressFor(index)
	}
	return d
}

// addressFor makes up a hardware address that the same calls make up again.
func addressFor(index uint32) (a [6]byte) {
	sum := sha256.Sum256(fmt.Appendf(nil, "%d", index))
	copy(a[:], sum[:])
	a[0] = a[0]&^1 | 2 // unicast, locally administered
	return a
}

// MTU and Address are those of a device that the running kernel does not have.
func (d *Device) MTU() uint32 { return d.mtu }

// Address is the hardware address, zero for what has none.
func (d *Device) Address() [6]byte { return d.address }

// Wired reports whether the running kernel has a device that stands for this one.
func (d *Device) Wired() bool { return d.wires != nil }

// Peer is the device's other end, nil if it has none.
func (d *Device) Peer() *Device { return d.peer }

// Carrier reports whether both ends are up, and so both carry.
func (d *Device) Carrier() bool {
	return d.Flags&FlagUp != 0 && (d.peer == nil || d.peer.Flags&FlagUp != 0)
}

// peerNamespace is the id of the peer's namespace, if it is another than the
// device's.
func (d *Device) peerNamespace() (id uint32, elsewhere bool) {
	switch {
	case d.peer == nil || d.peer.Netns == d.Netns:
		return 0, false
	case d.wires != nil:
		return d.wires.NamespaceID(d)
	}
	return d.ids.of(d.Netns, d.peer.Netns), true
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
	case d.Flags&FlagUp != 0 && d.peer != nil && d.peer.Netns == d.Netns:
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
	p = appendU32(p, attrMTU, d.mtu)
	p = appendU32(p, attrMinMTU, minMTU)
	p = appendU32(p, attrMaxMTU, maxMTU)
	p = appendU32(p, attrGroup, d.group)
	p = appendU32(p, attrPromiscuity, 0)
	p = appendU32(p, attrTxQueues, d.queues[0])
	p = appendU32(p, attrRxQueues, d.queues[1])
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
	p = appendAttribute(p, attrAddress, d.address[:])
	p = appendAttribute(p, attrBroadcast, []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff})
	p = appendAttribute(p, attrLinkInfo, d.linkInfo(d.peer))
	return d.appendPeer(p, d.peer)
}

// appendPeer appends which device is the other end, and in which namespace, if the
// peer is there.
func (d *Device) appendPeer(p []byte, peer *Device) []byte {
	if peer == nil {
		return appendU32(p, attrLink, 0)
	}
	if id, ok := d.peerNamespace(); ok {
		p = appendU32(p, attrLinkNetnsID, id)
	}
	return appendU32(p, attrLink, peer.Index)
}

// checkName is dev_valid_name.
func checkName(s string) mprog.Errno {
	if s == "" || len(s) > maxName || s == "." || s == ".." || strings.ContainsAny(s, "/: \t\n\v\f\r") {
		return mprog.EINVAL
	}
	return 0
}
