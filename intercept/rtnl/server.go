package rtnl

import (
	"slices"

	"github.com/nkconform/nkconform/mprog"
)

// Backend has the devices' hooks.
type Backend interface {
	// Supports is what the kernel that a namespace belongs to knows of netkit devices.
	Supports(netns uint64) Netkit
	// Add adds a pair of netkit devices, the primary in one namespace and the
	// peer in another or the same, or a single device if peer is nil.
	Add(primary, peer *Device)
	// Delete deletes a device and its peer.
	Delete(*Device)
	// Rename and Move follow a change: of name, or of namespace and ifindex.
	Rename(d *Device)
	Move(d *Device, netns uint64, index uint32)
	// XDP is what is told of a device's XDP program, also of the running kernel's
	// devices.
	XDP(netns uint64, index uint32) mprog.XDPInfo
}

// Server knows the simulated devices of all namespaces. It is not safe for
// concurrent use.
type Server struct {
	// Warn, if set, is told once of each kind of request that is not simulated.
	Warn   func(string)
	warned []string

	backend Backend
	wires   Wires     // nil: the running kernel has no devices that stand for these
	devices []*Device // in the order they were made
	sockets []*Socket
	last    uint32
	ids     namespaceIDs
	lent    map[place]bool // which qdiscs at TC_H_CLSACT are the running kernel's
}

// New makes a server without devices.
func New(b Backend) *Server {
	return &Server{backend: b, last: firstIndex - 1, ids: namespaceIDs{}}
}

// firstIndex is where ifindexes of simulated devices begin, so that the running
// kernel's own devices in the same namespace have others.
const firstIndex = 10001

// Socket is a netlink socket of a program.
type Socket struct {
	Netns uint64
	Port  uint32
	// Send hands a datagram to the program.
	Send func([]byte)
	// Forward asks the running kernel and returns its answers; nil if it cannot
	// be asked.
	Forward func(request []byte) (datagrams [][]byte)
	// Settle, if set, is called when the running kernel has changed devices, before
	// the program is told so.
	Settle func()
	// Explain, if set, is told of each request, and how it was answered, by whom.
	Explain func(asked, answered string)
	// ReadOnly has the running kernel asked only for what changes nothing.
	ReadOnly bool
	// Namespace finds the namespace that an attribute names, by an fd or by a
	// process id.
	Namespace func(attribute uint16, value uint32) (uint64, bool)
	// Traffic has the qdiscs and filters for whoever has sent the request in hand; nil:
	// they are left to the running kernel.
	Traffic func() Traffic
	// Capped is NETLINK_CAP_ACK, Extended NETLINK_EXT_ACK.
	Capped, Extended bool

	groups []uint32
	inHand message // the request that is being answered
}

// Open and Close are the socket's beginning and end.
func (s *Server) Open(k *Socket) { s.sockets = append(s.sockets, k) }

// Close forgets a socket.
func (s *Server) Close(k *Socket) {
	s.sockets = slices.DeleteFunc(s.sockets, func(other *Socket) bool { return other == k })
}

// Join and Leave change what a socket is told of.
func (k *Socket) Join(group uint32) {
	if !slices.Contains(k.groups, group) {
		k.groups = append(k.groups, group)
	}
}

// Leave undoes Join.
func (k *Socket) Leave(group uint32) {
	k.groups = slices.DeleteFunc(k.groups, func(g uint32) bool { return g == group })
}

// Joined reports whether a socket is told of what a group is for.
func (k *Socket) Joined(group uint32) bool { return slices.Contains(k.groups, group) }

// linkGroup is RTNLGRP_LINK.
const linkGroup = 1

// notify tells the subscribers of a namespace.
func (s *Server) notify(netns uint64, typ uint16, body []byte) {
	p := appendMessage(nil, message{typ: typ, body: body})
	for _, k := range s.sockets {
		if k.Netns == netns && slices.Contains(k.groups, linkGroup) {
			k.Send(slices.Clone(p))
		}
	}
}

// Request answers a datagram from a program.
func (s *Server) Request(k *Socket, datagram []byte) {
	for _, m := range split(datagram) {
		if m.flags&flagRequest == 0 || m.typ < firstRT {
			continue
		}
		k.inHand = m
		if k.Explain != nil {
			s.explain(k, m)
			continue
		}
		s.request(k, m)
	}
	k.inHand = message{}
}

func (s *Server) request(k *Socket, m message) {
	if m.typ == getLink && m.flags&flagDump != 0 {
		s.dump(k, m)
		return
	}
	if s.namespaceID(k, m) {
		if m.flags&flagAck != 0 {
			k.Send(answerTo(m, k.Port, 0, k.Capped))
		}
		return
	}
	if s.tc(k, m) || s.xdp(k, m) || s.encap(k, m) {
		return
	}
	forward, err := s.answer(k, m)
	switch {
	case forward.raw != nil:
		s.forward(k, m, forward)
	case err != nil || m.flags&flagAck != 0:
		s.acknowledge(k, m, err)
	}
}

// answer handles a request about simulated devices, or returns the one that is for
// the running kernel.
func (s *Server) answer(k *Socket, m message) (forward message, err error) {
	if m.typ < newLink || m.typ > setLink || len(m.body) < infoSize {
		return m, nil
	}
	attrs, ok := parseAttributes(m.body[infoSize:])
	if _, elsewhere := attrs[attrTargetNetnsID]; !ok || elsewhere && m.typ != newLink {
		return m, nil
	}
	r := &linkRequest{socket: k, message: m, index: native.Uint32(m.body[4:]), attrs: attrs}
	d := s.named(r)
	switch {
	case d == nil && m.typ == newLink && m.flags&flagCreate != 0:
		if attrs.nested(attrLinkInfo).text(infoKind) == kind {
			return message{}, s.create(r)
		}
		if name := attrs.text(attrName); name != "" && s.ByName(k.Netns, name) != nil {
			return message{}, mprog.EEXIST
		}
		return m, nil
	case d == nil, d.wires != nil && (m.typ == getLink || m.typ == delLink):
		return m, nil
	}
	switch m.typ {
	case getLink:
		k.Send(appendMessage(nil, message{typ: newLink, seq: m.seq, port: k.Port, body: s.withXDP(d.Netns, d.describe(0))}))
		return message{}, nil
	case delLink:
		s.Delete(d)
		return message{}, nil
	case newLink:
		switch {
		case m.flags&flagExcl != 0:
			return message{}, mprog.EEXIST
		case m.flags&flagReplace != 0:
			return message{}, mprog.EOPNOTSUPP
		}
	}
	return s.change(r, d)
}

// named finds the device that a request names by its ifindex, or else by its
// name.
func (s *Server) named(r *linkRequest) *Device {
	if r.index != 0 {
		return s.ByIndex(r.socket.Netns, r.index)
	}
	if name := r.attrs.text(attrName); name != "" {
		return s.ByName(r.socket.Netns, name)
	}
	if name := r.attrs.text(attrAltName); name != "" {
		return s.ByName(r.socket.Netns, name)
	}
	return nil
}

// forward hands a request to the running kernel, and its answers back. Asked is
// what the program has asked, where that is not the same.
func (s *Server) forward(k *Socket, asked, m message) {
	if k.Forward == nil {
		k.Send(answerTo(asked, k.Port, mprog.EOPNOTSUPP, k.Capped))
		return
	}
	if k.ReadOnly && !gets(m.typ) {
		k.Send(answerTo(asked, k.Port, mprog.EPERM, k.Capped))
		return
	}
	words := s.lastWords(k, m)
	var shown [][]byte
	for _, p := range k.Forward(m.raw) {
		shown = append(shown, s.show(k.Netns, p)...)
	}
	if k.Settle != nil && m.typ >= newLink && m.typ <= setLink && m.typ != getLink {
		k.Settle()
	}
	for _, p := range shown {
		if errno, _ := Refused(p, m.seq); words != nil && native.Uint16(p[4:]) == msgError {
			if errno == 0 {
				s.tellOf(k, m, delLink, words)
			}
			words = nil
		}
		k.Send(p)
	}
}

// dump lists the running kernel's devices and then those that it does not have.
func (s *Server) dump(k *Socket, m message) {
	done := appendMessage(nil, message{
		typ: msgDone, flags: flagMulti, seq: m.seq, port: k.Port, body: make([]byte, 4),
	})
	want, request := kindFilter(m)
	filtered := uint16(0)
	if want == kind {
		filtered = flagFiltered
	}
	if k.Forward != nil {
		for _, p := range k.Forward(request.raw) {
			var rest []message
			for _, part := range split(p) {
				if part.typ == msgDone {
					part.flags |= filtered
					done = appendMessage(nil, part)
					continue
				}
				if part.typ == msgError {
					done = nil // refused
				}
				shown, ours, ok := s.present(k.Netns, part)
				shown.flags |= filtered
				// A kind that the running kernel does not know filters nothing.
				if ok && (want == "" || shown.flags&flagFiltered == 0 || ours == (want == kind)) {
					rest = append(rest, shown)
				}
			}
			for _, p := range join(rest) {
				k.Send(p)
			}
		}
	}
	if done == nil {
		return
	}
	for _, d := range s.devices {
		if d.wires == nil && d.Netns == k.Netns && wanted(m) {
			k.Send(appendMessage(nil, message{
				typ: newLink, flags: flagMulti | filtered, seq: m.seq, port: k.Port, body: s.withXDP(d.Netns, d.describe(0)),
			}))
		}
	}
	k.Send(done)
}

// kindFilter returns the kind of link that a dump is restricted to, if it is, and
// the dump as the running kernel is asked for it: it knows nothing of netkit.
func kindFilter(m message) (want string, request message) {
	if len(m.body) < infoSize {
		return "", m
	}
	attrs, _ := parseAttributes(m.body[infoSize:])
	if want = attrs.nested(attrLinkInfo).text(infoKind); want == kind {
		return want, m.without(attrLinkInfo)
	}
	return want, m
}

// wanted reports whether a dump's filters let netkit devices through.
func wanted(m message) bool {
	if len(m.body) < infoSize {
		return true
	}
	attrs, _ := parseAttributes(m.body[infoSize:])
	if master, ok := attrs.u32(attrMaster); ok && master != 0 {
		return false
	}
	want := attrs.nested(attrLinkInfo).text(infoKind)
	return want == "" || want == kind
}

// ByIndex finds a simulated device, nil if there is none.
func (s *Server) ByIndex(netns uint64, index uint32) *Device {
	for _, d := range s.devices {
		if d.Netns == netns && d.Index == index {
			return d
		}
	}
	return nil
}

// ByName finds a simulated device, nil if there is none.
func (s *Server) ByName(netns uint64, name string) *Device {
	for _, d := range s.devices {
		if d.Netns == netns && d.Name == name {
			return d
		}
	}
	return nil
}

// SetFlags changes flags of a device that the running kernel does not have, as the
// ioctl does.
func (s *Server) SetFlags(d *Device, flags uint32) {
	d.Flags = d.Flags&^changeable | flags&changeable
	s.announce(d)
}

// announce tells of a device that is new or has changed, and of its peer, whose
// carrier may have changed with it. Of what stands for a device, the running kernel
// tells.
func (s *Server) announce(d *Device) {
	if d.wires != nil {
		return
	}
	s.notify(d.Netns, newLink, d.describe(0xffffffff))
	if d.peer != nil {
		s.notify(d.peer.Netns, newLink, d.peer.describe(0))
	}
}

// Delete deletes a device, and its peer if it has one.
func (s *Server) Delete(d *Device) {
	s.backend.Delete(d)
	pair := []*Device{d}
	if d.peer != nil {
		pair = append(pair, d.peer)
	}
	if d.wires != nil {
		d.wires.Delete(pair...) // of which the running kernel tells
	}
	s.devices = slices.DeleteFunc(s.devices, func(other *Device) bool { return slices.Contains(pair, other) })
	for _, gone := range pair {
		if gone.wires == nil {
			s.notify(gone.Netns, delLink, gone.describe(0xffffffff))
		}
	}
}

// DropNetns deletes the devices of a namespace that is gone, with their peers.
func (s *Server) DropNetns(netns uint64) {
	for _, d := range slices.Clone(s.devices) {
		if d.Netns == netns && slices.Contains(s.devices, d) {
			s.Delete(d)
		}
	}
}
