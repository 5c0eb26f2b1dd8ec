package rtnl

import "github.com/nkconform/nkconform/mprog"

// Requests of nkconform's own, and what they are answered.

// Ask is a request about a link that is told apart from others by its number.
type Ask struct{ Seq uint32 }

// link makes a request about a link.
func (a Ask) link(typ, flags uint16, index, up, change uint32, attrs []byte) []byte {
	body := make([]byte, infoSize)
	native.PutUint32(body[4:], index)
	native.PutUint32(body[8:], up)
	native.PutUint32(body[12:], change)
	return appendMessage(nil, message{typ: typ, flags: flags | flagRequest, seq: a.Seq, body: append(body, attrs...)})
}

// Set changes a link's flags and attributes.
func (a Ask) Set(index, flags, change uint32, attrs []byte) []byte {
	return a.link(setLink, flagAck, index, flags, change, attrs)
}

// Move moves a link to the namespace that the asking one knows by an id, with a
// given ifindex, or if that is 0 with its own if it is free.
func (a Ask) Move(index, namespaceID, newIndex uint32) []byte {
	attrs := appendU32(nil, attrTargetNetnsID, namespaceID)
	if newIndex != 0 {
		attrs = appendU32(attrs, attrNewIndex, newIndex)
	}
	return a.link(setLink, flagAck, index, 0, 0, attrs)
}

// Find looks a link up by its name, in a namespace that is known by an id.
func (a Ask) Find(namespaceID uint32, name string) []byte {
	return a.link(getLink, 0, 0, 0, 0, appendText(appendU32(nil, attrTargetNetnsID, namespaceID), attrName, name))
}

// FindHere looks a link up by its name, in the asking namespace.
func (a Ask) FindHere(name string) []byte {
	return a.link(getLink, 0, 0, 0, 0, appendText(nil, attrName, name))
}

// FindAt looks a link up by its ifindex, in the asking namespace.
func (a Ask) FindAt(index uint32) []byte { return a.link(getLink, 0, index, 0, 0, nil) }

// List lists the links of a namespace that is known by an id.
func (a Ask) List(namespaceID uint32) []byte {
	return a.link(getLink, flagDump, 0, 0, 0, appendU32(nil, attrTargetNetnsID, namespaceID))
}

// MTU is the attribute of how long what a device sends may be.
func MTU(n uint32) []byte { return appendU32(nil, attrMTU, n) }

// Group is the attribute of which group a device is in.
func Group(n uint32) []byte { return appendU32(nil, attrGroup, n) }

// DeleteGroup deletes the devices of a group, all at once.
func (a Ask) DeleteGroup(n uint32) []byte { return a.link(delLink, flagAck, 0, 0, 0, Group(n)) }

// QueueLength is the attribute of how many frames a device keeps.
func QueueLength(n uint32) []byte { return appendU32(nil, attrQueueLen, n) }

// anyID has the kernel choose an id.
const anyID = ^uint32(0)

// NameNamespace has the namespace that an fd refers to known by an id.
func (a Ask) NameNamespace(fd int, id uint32) []byte {
	body := appendU32(make([]byte, genericSize), nsidFD, uint32(fd))
	body = appendU32(body, nsidID, id)
	return appendMessage(nil, message{typ: newNSID, flags: flagRequest | flagAck, seq: a.Seq, body: body})
}

// NameNamespaceAny is NameNamespace with any id that is free.
func (a Ask) NameNamespaceAny(fd int) []byte { return a.NameNamespace(fd, anyID) }

// NamespaceID asks by which id the namespace that an fd refers to is known.
func (a Ask) NamespaceID(fd int) []byte {
	body := appendU32(make([]byte, genericSize), nsidFD, uint32(fd))
	return appendMessage(nil, message{typ: getNSID, flags: flagRequest, seq: a.Seq, body: body})
}

// NSID reads the answer, false if the namespace is not known.
func NSID(datagram []byte) (id uint32, known bool) {
	for _, m := range split(datagram) {
		if m.typ == newNSID && len(m.body) >= genericSize {
			attrs, _ := parseAttributes(m.body[genericSize:])
			id, known = attrs.u32(nsidID)
			return id, known && id != anyID
		}
	}
	return 0, false
}

// Link is what the running kernel says of a link.
type Link struct {
	Gone    bool
	Moved   bool // Gone, to another namespace
	Index   uint32
	Name    string
	Flags   uint32
	Peer    uint32 // the device that it is linked to, perhaps of another namespace
	Bridged bool   // a port of a bridge
}

// Links reads what a datagram says of links.
func Links(datagram []byte) (list []Link) {
	for _, m := range split(datagram) {
		if m.typ != newLink && m.typ != delLink || len(m.body) < infoSize {
			continue
		}
		attrs, ok := parseAttributes(m.body[infoSize:])
		if !ok || m.body[0] != 0 { // another family's, a bridge's
			continue
		}
		l := Link{Gone: m.typ == delLink, Index: native.Uint32(m.body[4:]), Flags: native.Uint32(m.body[8:]),
			Name: attrs.text(attrName)}
		_, l.Moved = attrs[attrNewIndex]
		l.Peer, _ = attrs.u32(attrLink)
		l.Bridged = attrs.nested(attrLinkInfo).text(infoPortKind) == "bridge"
		list = append(list, l)
	}
	return list
}

// GoneNamespaces reads which namespaces a datagram says have ended, by their ids.
func GoneNamespaces(datagram []byte) (ids []uint32) {
	for _, m := range split(datagram) {
		if m.typ != delNSID || len(m.body) < genericSize {
			continue
		}
		attrs, _ := parseAttributes(m.body[genericSize:])
		if id, ok := attrs.u32(nsidID); ok {
			ids = append(ids, id)
		}
	}
	return ids
}

// Errno returns the errno of the answers to a request, 0 if it is not refused.
func (a Ask) Errno(datagrams [][]byte) mprog.Errno {
	for _, p := range datagrams {
		if errno, answer := Refused(p, a.Seq); answer && errno != 0 {
			return errno
		}
	}
	return 0
}
