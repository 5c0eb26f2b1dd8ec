package rtnl

import "github.com/nkconform/nkconform/mprog"

// Wires make devices of the running kernel that stand for netkit devices and carry
// their frames.
type Wires interface {
	// Make makes what stands for the two ends of a pair, the peer first, or for a
	// device without a peer, and fills in their names and ifindexes. Possible is
	// false where the machine does not permit that. The errno is the running
	// kernel's; nothing is left then.
	Make(d Wish, peer *Wish) (possible bool, errno mprog.Errno)
	// SetFlags changes a device's flags.
	SetFlags(d *Device, flags, change uint32)
	// Raise is called before a request that brings a device up.
	Raise(d *Device)
	// Changed follows a change of the netkit attributes of a device or its peer.
	Changed(d *Device)
	// Delete takes away what stands for devices.
	Delete(pair ...*Device)
	// NamespaceID is the id that the namespace of the device's peer has in the
	// device's own.
	NamespaceID(d *Device) (id uint32, ok bool)
	// Release takes away what a device of the running kernel's is tethered to, if no program
	// sees its packets any more, and reports whether it has.
	Release(netns uint64, ifindex uint32) bool
	// Counts is what the device has sent and received.
	Counts(d *Device) Counts
}

// Counts is what a netkit device counts (netkit_xmit).
type Counts struct {
	RxPackets, RxBytes uint64
	TxPackets, TxBytes uint64
	TxDropped          uint64
}

// Sent counts a packet of so many bytes as sent.
func (c *Counts) Sent(bytes uint64) { c.TxPackets, c.TxBytes = c.TxPackets+1, c.TxBytes+bytes }

// Received counts a packet of so many bytes as received.
func (c *Counts) Received(bytes uint64) { c.RxPackets, c.RxBytes = c.RxPackets+1, c.RxBytes+bytes }

// Wish is a device to be made: Name may be a template such as nk%d, and Index 0.
type Wish struct {
	*Device
	Attributes []byte // for the running kernel
	flags      uint32 // IFF_* that a new peer gets
}

// SetWires has devices made from now on stood for by devices of the running kernel.
func (s *Server) SetWires(w Wires) { s.wires = w }

// ofNew are the attributes of a new device that it takes (rtnl_create_link), as far as
// they are for what stands for it. The kernel ignores others, even an alias.
var ofNew = map[uint16]bool{
	attrAddress: true, attrBroadcast: true, attrMTU: true, attrMaster: true, attrQueueLen: true, attrOperState: true,
	attrLinkMode: true, attrGroup: true, attrGSOSegments: true, attrGSOSize: true, attrGROSize: true,
	attrGSOSize4: true, attrGROSize4: true,
}

// forKernel leaves out the attributes that are not for the running kernel.
func forKernel(attrs []byte) []byte {
	return edited(attrs, func(typ uint16, value []byte) []byte {
		if !ofNew[typ] || keptHere(typ, value) {
			return nil
		}
		return value
	})
}

// forKernel is a request for a change of a device as it is for what stands for the
// device: without what only netkit devices have.
func (r *linkRequest) forKernel() message {
	return r.message.edited(func(typ uint16, value []byte) []byte {
		switch {
		case keptHere(typ, value):
			return nil
		case typ == attrLinkInfo:
			return ofPort(value)
		}
		return value
	})
}

// ofPort is what of IFLA_LINKINFO concerns the device's master, nil if nothing does.
func ofPort(info []byte) []byte {
	return edited(info, func(typ uint16, value []byte) []byte {
		if typ == infoKind || typ == infoData {
			return nil
		}
		return value
	})
}

// without copies a message that has attributes, without one of them.
func (m message) without(unwanted uint16) message {
	return m.edited(func(typ uint16, value []byte) []byte {
		if typ == unwanted {
			return nil
		}
		return value
	})
}

// edited copies a message that has attributes, with other values of them.
func (m message) edited(each func(typ uint16, value []byte) []byte) message {
	m.body = append(append([]byte(nil), m.body[:infoSize]...), edited(m.body[infoSize:], each)...)
	m.raw = appendMessage(nil, m)
	return m
}

// Follow says where a device is now, and how it is called, after what the running
// kernel has done.
func (s *Server) Follow(d *Device, netns uint64, l Link) {
	if netns != d.Netns || l.Index != d.Index {
		s.backend.Move(d, netns, l.Index)
		d.Netns, d.Index = netns, l.Index
	}
	if l.Name != d.Name {
		d.Name = l.Name
		s.backend.Rename(d)
	}
	if d.bridged && !l.Bridged {
		d.leftBridge()
		if s.wires != nil {
			s.wires.Changed(d)
		}
	}
	d.Flags, d.bridged = l.Flags, l.Bridged
}
