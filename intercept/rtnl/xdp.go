package rtnl

import (
	"math/bits"

	"github.com/nkconform/nkconform/mprog"
)

// IFLA_XDP of a request for a change is answered here, also for devices of the running
// kernel's: the fds in it are not that kernel's. The rest of the request comes first,
// as in do_setlink.

// Attributes of IFLA_XDP (include/uapi/linux/if_link.h).
const (
	attrXDP = 43

	xdpFD       = 1
	xdpAttached = 2
	xdpFlags    = 3
	xdpProgID   = 4
	xdpDriverID = 5
	xdpSKBID    = 6
	xdpExpected = 8

	xdpInDriver = 1 // XDP_ATTACHED_DRV
	xdpInSKB    = 2 // XDP_ATTACHED_SKB
)

// xdp answers a request that is about a device's XDP program, and reports whether it is
// one. A device that is still to be made gets none, as the kernel has it.
func (s *Server) xdp(k *Socket, m message) bool {
	if m.typ != newLink && m.typ != setLink || len(m.body) < infoSize || k.Traffic == nil {
		return false
	}
	attrs, ok := parseAttributes(m.body[infoSize:])
	value, asked := attrs[attrXDP]
	if !ok || !asked {
		return false
	}
	_, elsewhere := attrs[attrTargetNetnsID]
	if elsewhere && m.typ == setLink || native.Uint32(m.body[4:]) == 0 && attrs.text(attrName)+attrs.text(attrAltName) == "" {
		s.acknowledge(k, m, s.refuse("XDP programs of devices of a group, or of a namespace that an id names, are not simulated"))
		return true
	}
	index := s.indexOf(k, m, attrs)
	if !s.rest(k, m, index == 0) || index == 0 {
		return true
	}
	err := s.setXDP(k, index, value)
	if err != nil || m.flags&flagAck != 0 {
		s.acknowledge(k, m, err)
	}
	return true
}

// rest makes the request without IFLA_XDP, and hands on what is answered but for the
// acknowledgement, unless that is the whole answer. It reports whether the request was
// not refused.
func (s *Server) rest(k *Socket, m message, whole bool) (done bool) {
	rest := m
	rest.flags |= flagAck
	rest = rest.without(attrXDP)
	send := k.Send
	defer func() { k.Send = send }()
	k.Send = func(p []byte) {
		if errno, answer := Refused(p, m.seq); answer && native.Uint16(p[4:]) == msgError {
			if done = errno == 0; done && !(whole && m.flags&flagAck != 0) {
				return
			}
		}
		send(p)
	}
	s.request(k, rest)
	return done
}

// indexOf is the ifindex of the device that a request names, 0 if there is none.
func (s *Server) indexOf(k *Socket, m message, attrs attributes) uint32 {
	index := native.Uint32(m.body[4:])
	if d := s.named(&linkRequest{socket: k, message: m, index: index, attrs: attrs}); d != nil {
		return d.Index
	}
	name := attrs.text(attrName)
	if name == "" {
		name = attrs.text(attrAltName)
	}
	if index != 0 {
		name = ""
	}
	for _, l := range s.lookedUp(k, index, name) {
		return native.Uint32(l.body[4:])
	}
	return 0
}

// lookedUp is what the running kernel says of a device, nothing if there is none.
func (s *Server) lookedUp(k *Socket, index uint32, name string) (list []message) {
	if k.Forward == nil {
		return nil
	}
	for _, p := range k.Forward(lookup(index, name, takenSeq)) {
		for _, m := range split(p) {
			switch {
			case m.seq != takenSeq:
				s.Relay(k, m.raw)
			case m.typ == newLink && len(m.body) >= infoSize:
				list = append(list, m)
			}
		}
	}
	return list
}

// setXDP is what do_setlink makes of IFLA_XDP.
func (s *Server) setXDP(k *Socket, index uint32, value []byte) error {
	attrs, _ := parseAttributes(value)
	for typ, size := range map[uint16]int{xdpFD: 4, xdpExpected: 4, xdpFlags: 4, xdpProgID: 4, xdpAttached: 1} {
		if p, set := attrs[typ]; set && len(p) < size {
			return mprog.ERANGE
		}
	}
	_, attached := attrs[xdpAttached]
	_, id := attrs[xdpProgID]
	flags, _ := attrs.u32(xdpFlags)
	fd, given := attrs.u32(xdpFD)
	const modes, known = mprog.XDPGeneric | mprog.XDPDriver | mprog.XDPHardware, mprog.XDPAbsent | mprog.XDPReplace
	switch {
	case attached || id:
		return mprog.EINVAL
	case given:
	case mprog.Flags(flags)&^(modes|known) != 0, bits.OnesCount32(flags&uint32(modes)) > 1:
		return mprog.EINVAL
	default:
		return nil
	}
	r := mprog.XDPRequest{Ifindex: index, FD: int32(fd), Flags: mprog.Flags(flags)}
	if v, set := attrs.u32(xdpExpected); set {
		expected := int32(v)
		r.Expected = &expected
	}
	if err := k.Traffic().SetXDP(r); err != nil {
		return err
	}
	s.announceXDP(k, index)
	return nil
}

// announceXDP tells of a change, if the device is up (netdev_state_change).
func (s *Server) announceXDP(k *Socket, index uint32) {
	if d := s.ByIndex(k.Netns, index); d != nil && d.wires == nil {
		if d.Flags&FlagUp != 0 {
			s.notify(k.Netns, newLink, s.withXDP(k.Netns, d.describe(0)))
		}
		return
	}
	for _, m := range s.lookedUp(k, index, "") {
		if shown, _, ok := s.present(k.Netns, m); ok && native.Uint32(m.body[8:])&FlagUp != 0 {
			s.notify(k.Netns, newLink, shown.body)
		}
	}
}

// withXDP is what is said of a link, with its XDP program.
func (s *Server) withXDP(netns uint64, body []byte) []byte {
	x := s.backend.XDP(netns, native.Uint32(body[4:]))
	if x.ProgID == 0 {
		return body
	}
	told, field, where := false, uint16(xdpSKBID), uint8(xdpInSKB)
	if x.Driver {
		field, where = xdpDriverID, xdpInDriver
	}
	value := appendU32(appendU8(appendU32(nil, field, x.ProgID), xdpAttached, where), xdpProgID, x.ProgID)
	attrs := edited(body[infoSize:], func(typ uint16, old []byte) []byte {
		if typ == attrXDP {
			told = true
			return value
		}
		return old
	})
	if !told {
		attrs = appendAttribute(attrs, attrXDP, value)
	}
	return append(append([]byte(nil), body[:infoSize]...), attrs...)
}
