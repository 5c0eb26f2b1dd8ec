package rtnl

import (
	"slices"

	"github.com/nkconform/nkconform/mprog"
)

// Backend has the devices' hooks.
type Backend interface {
	// Supports reports whether the kernel has netkit devices, and such without
	// peer.
	Supports() (pairs, single bool)
	// Add adds a pair of netkit devices, the primary in one namespace and the
	// peer in another or the same, or a single device if peer is nil.
	Add(primary, peer *Device)
	// Delete deletes a device and its peer.
	Delete(*Device)
	// Rename and Move follow a change: of name, or of namespace and ifindex.
	Rename(d *Device)
	Move(d *Device, netns uint64, index uint32)
}

// Server knows the simulated devices of all namespaces. It is not safe for
// concurrent use.
type Server struct {
	backend Backend
	devices []*Device // in the order they were made
	sockets []*Socket
	last    uint32
	ids     namespaceIDs
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
	// ReadOnly has the running kernel asked only for what changes nothing.
	ReadOnly bool
	// Namespace finds the namespace that an attribute names, by an fd or by a
	// process id.
	Namespace func(attribute uint16, value uint32) (uint64, bool)
	// Capped is NETLINK_CAP_ACK.
	Capped bool

	groups []uint32
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
		s.request(k, m)
	}
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
	handled, errno := s.answer(k, m)
	switch {
	case !handled:
		s.forward(k, m)
	case errno != 0 || m.flags&flagAck != 0:
		k.Send(answerTo(m, k.Port, errno, k.Capped))
	}
}

// answer handles a request about simulated devices.
func (s *Server) answer(k *Socket, m message) (handled bool, errno mprog.Errno) {
	if m.typ < newLink || m.typ > setLink || len(m.body) < infoSize {
		return false, 0
	}
	attrs, ok := parseAttributes(m.body[infoSize:])
	if !ok {
		return false, 0
	}
	r := &linkRequest{socket: k, message: m, index: native.Uint32(m.body[4:]), attrs: attrs}
	d := s.named(r)
	switch {
	case d == nil && m.typ == newLink && m.flags&flagCreate != 0:
		if attrs.nested(attrLinkInfo).text(infoKind) == kind {
			return true, s.create(r)
		}
		if name := attrs.text(attrName); name != "" && s.ByName(k.Netns, name) != nil {
			return true, mprog.EEXIST
		}
		return false, 0
	case d == nil:
		return false, 0
	}
	switch m.typ {
	case getLink:
		k.Send(appendMessage(nil, message{typ: newLink, seq: m.seq, port: k.Port, body: d.describe(0)}))
		return true, 0
	case delLink:
		s.Delete(d)
		return true, 0
	case newLink:
		if m.flags&flagExcl != 0 {
			return true, mprog.EEXIST
		}
	}
	return true, s.change(r, d)
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

// forward hands a request to the running kernel, and its answers back.
func (s *Server) forward(k *Socket, m message) {
	const get = 2 // the third of each four types
	if k.Forward == nil {
		k.Send(answerTo(m, k.Port, mprog.EOPNOTSUPP, k.Capped))
		return
	}
	if k.ReadOnly && (m.typ-firstRT)%4 != get {
		k.Send(answerTo(m, k.Port, mprog.EPERM, k.Capped))
		return
	}
	for _, p := range k.Forward(m.raw) {
		k.Send(p)
	}
}

// dump lists the running kernel's devices and then the simulated ones.
func (s *Server) dump(k *Socket, m message) {
	done := appendMessage(nil, message{
		typ: msgDone, flags: flagMulti, seq: m.seq, port: k.Port, body: make([]byte, 4),
	})
	if k.Forward != nil {
		for _, p := range k.Forward(m.raw) {
			rest := p[:0:0]
			for _, part := range split(p) {
				if part.typ == msgDone {
					done = appendMessage(nil, part)
					continue
				}
				rest = appendMessage(rest, part)
				if part.typ == msgError {
					done = nil // refused
				}
			}
			if len(rest) > 0 {
				k.Send(rest)
			}
		}
	}
	if done == nil {
		return
	}
	for _, d := range s.devices {
		if d.Netns == k.Netns && wanted(m) {
			k.Send(appendMessage(nil, message{
				typ: newLink, flags: flagMulti, seq: m.seq, port: k.Port, body: d.describe(0),
			}))
		}
	}
	k.Send(done)
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

// SetFlags changes flags of a device, as the ioctl does.
func (s *Server) SetFlags(d *Device, flags uint32) {
	d.Flags = d.Flags&^changeable | flags&changeable
	s.announce(d)
}

// announce tells of a device that is new or has changed, and of its peer, whose
// carrier may have changed with it.
func (s *Server) announce(d *Device) {
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
	s.devices = slices.DeleteFunc(s.devices, func(other *Device) bool { return slices.Contains(pair, other) })
	for _, gone := range pair {
		s.notify(gone.Netns, delLink, gone.describe(0xffffffff))
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
