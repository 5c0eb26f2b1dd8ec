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
	// Lost is what the running kernel counts as sent by the device, and was not.
	Lost(d *Device) Lost
}

// Lost counts frames.
type Lost struct {
	Packets, Bytes uint64 // not sent
	Dropped        uint64 // of these, counted as dropped
}

// Wish is a device to be made: Name may be a template such as nk%d, and Index 0.
type Wish struct {
	*Device
	Attributes []byte // for the running kernel
}

// SetWires has devices made from now on stood for by devices of the running kernel.
func (s *Server) SetWires(w Wires) { s.wires = w }

// notForKernel are attributes of a new device that say what is said otherwise of
// the one that stands for it.
var notForKernel = map[uint16]bool{
	attrName: true, attrLink: true, attrLinkInfo: true, attrNetnsPID: true, attrNetnsFD: true,
	attrTxQueues: true, attrRxQueues: true, attrLinkNetnsID: true, attrTargetNetnsID: true, attrNewIndex: true,
}

// forKernel leaves out the attributes that are not for the running kernel.
func forKernel(attrs []byte) (kept []byte) {
	walk(attrs, func(typ uint16, value []byte) {
		if !notForKernel[typ] {
			kept = appendAttribute(kept, typ, value)
		}
	})
	return kept
}

// without copies a message that has attributes, without one of them.
func (m message) without(unwanted uint16) message {
	body := append([]byte(nil), m.body[:infoSize]...)
	walk(m.body[infoSize:], func(typ uint16, value []byte) {
		if typ != unwanted {
			body = appendAttribute(body, typ, value)
		}
	})
	m.body = body
	m.raw = appendMessage(nil, m)
	return m
}

// Follow says where a device is now, and how it is called, after what the running
// kernel has done.
func (s *Server) Follow(d *Device, netns uint64, index uint32, name string, flags uint32) {
	if netns != d.Netns || index != d.Index {
		s.backend.Move(d, netns, index)
		d.Netns, d.Index = netns, index
	}
	if name != d.Name {
		d.Name = name
		s.backend.Rename(d)
	}
	d.Flags = flags
}
