package rtnl

import (
	"fmt"

	"github.com/nkconform/nkconform/mprog"
)

// linkRequest is RTM_NEWLINK and the like.
type linkRequest struct {
	socket  *Socket
	message message
	index   uint32 // ifi_index
	attrs   attributes
}

const (
	busy         mprog.Errno = mprog.EBUSY
	notAvailable mprog.Errno = 99 // EADDRNOTAVAIL
)

// create is rtnl_newlink_create and netkit_new_link.
func (s *Server) create(r *linkRequest) mprog.Errno {
	data := r.attrs.nested(attrLinkInfo).nested(infoData)
	mode, ok := data.u32(netkitMode)
	if !ok {
		mode = modeL3
	}
	if mode != modeL2 && mode != modeL3 {
		return mprog.EINVAL
	}
	if _, set := data[netkitPrimary]; set {
		return mprog.EINVAL
	}
	netns, errno := r.target(r.attrs, r.socket.Netns)
	if errno != 0 {
		return errno
	}
	pairs, single := s.backend.Supports(r.socket.Netns)
	if !pairs {
		return mprog.EOPNOTSUPP
	}
	d, errno := s.newEnd(netns, r.index, r.attrs, mode)
	if errno != 0 {
		return errno
	}
	d.primary = true
	wish := Wish{d, forKernel(r.message.body[infoSize:])}
	flags, change := native.Uint32(r.message.body[8:]), native.Uint32(r.message.body[12:])
	if v, _ := data.u32(netkitPairing); v == pairingSingle && single {
		for _, pairs := range []uint16{netkitPeer, netkitPolicy, netkitPeerPolicy, netkitPeerScrub} {
			if _, set := data[pairs]; set {
				return mprog.EOPNOTSUPP
			}
		}
		if v, ok := data.u32(netkitScrub); ok {
			d.scrub = v
		}
		if errno := s.build(r, wish, nil); errno != 0 {
			return errno
		}
		s.start(d, flags, change)
		s.announce(d)
		return 0
	}
	peer, peerFlags, errno := s.newPeer(r, data, netns, mode)
	if errno != 0 {
		return errno
	}
	d.peer, peer.peer = peer.Device, d
	if errno := configure(d, data); errno != 0 {
		return errno
	}
	for typ, field := range map[uint16]*uint16{netkitHeadroom: &d.headroom, netkitTailroom: &d.tailroom} {
		if p := data[typ]; len(p) >= 2 {
			*field = native.Uint16(p)
		}
	}
	peer.headroom, peer.tailroom = d.headroom, d.tailroom
	if errno := s.build(r, wish, peer); errno != 0 {
		return errno
	}
	s.start(peer.Device, peerFlags, peerFlags)
	s.start(d, flags, change)
	s.announce(d)
	return 0
}

// newPeer is the peer that the attributes of a pair to be made describe.
func (s *Server) newPeer(r *linkRequest, data attributes, netns uint64, mode uint32) (*Wish, uint32, mprog.Errno) {
	attrs, index, flags, rest := attributes{}, uint32(0), uint32(0), []byte(nil)
	if p := data[netkitPeer]; p != nil {
		if len(p) < infoSize {
			return nil, 0, mprog.EINVAL
		}
		attrs, _ = parseAttributes(p[infoSize:])
		index, flags, rest = native.Uint32(p[4:]), native.Uint32(p[8:]), forKernel(p[infoSize:])
	}
	netns, errno := r.target(attrs, netns)
	if errno != 0 {
		return nil, 0, errno
	}
	peer, errno := s.newEnd(netns, index, attrs, mode)
	return &Wish{peer, rest}, flags, errno
}

// newEnd is one end of a pair as it is wished for, or a device without a peer.
func (s *Server) newEnd(netns uint64, index uint32, attrs attributes, mode uint32) (*Device, mprog.Errno) {
	name := attrs.text(attrName)
	if name == "" {
		name = "nk%d"
	}
	if errno := checkName(name); errno != 0 {
		return nil, errno
	}
	d := newDevice(netns, index, name, mode)
	if p, set := attrs[attrAddress]; set {
		if len(p) != len(d.address) {
			return nil, mprog.EINVAL
		}
		if mode == modeL3 {
			return nil, mprog.EOPNOTSUPP
		}
		if p[0]&1 != 0 {
			return nil, notAvailable
		}
		copy(d.address[:], p)
	}
	return d, d.set(attrs)
}

// build makes devices, with wires if that is possible. The peer is registered
// first.
func (s *Server) build(r *linkRequest, d Wish, peer *Wish) mprog.Errno {
	made := []*Device{d.Device}
	if peer != nil {
		made = []*Device{peer.Device, d.Device}
	}
	if s.wires != nil {
		possible, errno := s.wires.Make(d, peer)
		if errno != 0 {
			return errno
		}
		if !possible {
			s.wires = nil
		}
		for _, one := range made {
			one.wires = s.wires
		}
	}
	if s.wires == nil {
		for i, one := range made {
			if errno := s.place(r, one, made[:i]); errno != 0 {
				return errno
			}
			one.ids = s.ids
		}
	}
	if peer == nil {
		s.backend.Add(d.Device, nil)
	} else {
		s.backend.Add(d.Device, peer.Device)
	}
	s.devices = append(s.devices, made...)
	return 0
}

// place finds a name and an ifindex for a device that the running kernel does not
// have.
func (s *Server) place(r *linkRequest, d *Device, others []*Device) mprog.Errno {
	taken := func(name string) bool {
		for _, other := range others {
			if other.Netns == d.Netns && other.Name == name {
				return true
			}
		}
		return s.ByName(d.Netns, name) != nil || r.taken(d.Netns, name)
	}
	if d.Name == "nk%d" {
		for i := 0; d.Name == "nk%d" || taken(d.Name); i++ {
			d.Name = fmt.Sprintf("nk%d", i)
		}
	}
	if taken(d.Name) {
		return mprog.EEXIST
	}
	if d.Index == 0 {
		s.last++
		for s.ByIndex(d.Netns, s.last) != nil {
			s.last++
		}
		d.Index = s.last
		return 0
	}
	if s.ByIndex(d.Netns, d.Index) != nil || len(others) > 0 && others[0].Netns == d.Netns && others[0].Index == d.Index {
		return busy
	}
	return 0
}

// start gives a new device its flags.
func (s *Server) start(d *Device, flags, change uint32) {
	if d.wires == nil {
		d.setFlags(flags, change)
		return
	}
	if change == 0 {
		change = flags
	}
	if change &= changeable; change != 0 {
		s.wires.SetFlags(d, flags, change)
	}
}

// set applies the attributes that every device has.
func (d *Device) set(attrs attributes) mprog.Errno {
	if mtu, ok := attrs.u32(attrMTU); ok {
		if mtu < minMTU || mtu > maxMTU {
			return mprog.EINVAL
		}
		d.mtu = mtu
	}
	if n, ok := attrs.u32(attrQueueLen); ok {
		d.queueLen = n
	}
	if g, ok := attrs.u32(attrGroup); ok {
		d.group = g
	}
	if _, ok := attrs[attrAlias]; ok {
		d.alias = attrs.text(attrAlias)
	}
	return 0
}

func (d *Device) setFlags(flags, change uint32) {
	if change == 0 {
		change = flags
	}
	change &= changeable
	d.Flags = d.Flags&^change | flags&change
}

// change is do_setlink and netkit_change_link. What concerns every device is done
// by the running kernel, if it has one that stands for this.
func (s *Server) change(r *linkRequest, d *Device) (forward message, errno mprog.Errno) {
	if errno := d.changeNetkit(r.attrs); errno != 0 {
		return message{}, errno
	}
	if _, set := r.attrs[attrAddress]; set && d.Layer3() {
		return message{}, mprog.EOPNOTSUPP
	}
	if d.wires == nil {
		return message{}, s.changeUnwired(r, d)
	}
	s.wires.Changed(d)
	up := native.Uint32(r.message.body[8:]) & FlagUp
	if up&native.Uint32(r.message.body[12:]) != 0 || up != 0 && native.Uint32(r.message.body[12:]) == 0 {
		s.wires.Raise(d)
	}
	if _, set := r.attrs[attrLinkInfo]; set {
		return r.message.without(attrLinkInfo), 0
	}
	return r.message, 0
}

func (s *Server) changeUnwired(r *linkRequest, d *Device) mprog.Errno {
	if errno := d.set(r.attrs); errno != 0 {
		return errno
	}
	if p := r.attrs[attrAddress]; len(p) == len(d.address) {
		copy(d.address[:], p)
	}
	if name := r.attrs.text(attrName); name != "" && name != d.Name {
		if errno := checkName(name); errno != 0 {
			return errno
		}
		if s.ByName(d.Netns, name) != nil {
			return mprog.EEXIST
		}
		d.Name = name
		s.backend.Rename(d)
	}
	netns, errno := r.target(r.attrs, d.Netns)
	if errno != 0 {
		return errno
	}
	if netns != d.Netns {
		if errno := s.move(d, netns); errno != 0 {
			return errno
		}
	}
	d.setFlags(native.Uint32(r.message.body[8:]), native.Uint32(r.message.body[12:]))
	s.announce(d)
	return 0
}

// move is dev_change_net_namespace: the device goes down, and gets another
// ifindex if its own is taken.
func (s *Server) move(d *Device, netns uint64) mprog.Errno {
	if s.ByName(netns, d.Name) != nil {
		return mprog.EEXIST
	}
	s.notify(d.Netns, delLink, d.describe(0xffffffff))
	index := d.Index
	for s.ByIndex(netns, index) != nil {
		s.last++
		index = s.last
	}
	s.backend.Move(d, netns, index)
	d.Netns, d.Index = netns, index
	d.Flags &^= FlagUp
	return 0
}

// taken reports whether a device of the running kernel's has a name, as far as
// that can be asked.
func (r *linkRequest) taken(netns uint64, name string) bool {
	if name == "lo" {
		return true
	}
	if name == "" || netns != r.socket.Netns || r.socket.Forward == nil {
		return false
	}
	taken := false
	for _, p := range r.socket.Forward(lookup(0, name, takenSeq)) {
		errno, answer := Refused(p, takenSeq)
		if !answer {
			r.socket.Send(p)
		}
		taken = taken || answer && errno == 0
	}
	return taken
}

// takenSeq marks requests that are not the program's.
const takenSeq = 0x6e6b6367

// target returns the namespace that attributes name, or the one given.
func (r *linkRequest) target(attrs attributes, netns uint64) (uint64, mprog.Errno) {
	for _, typ := range []uint16{attrNetnsFD, attrNetnsPID} {
		v, ok := attrs.u32(typ)
		if !ok {
			continue
		}
		named, ok := r.socket.Namespace(typ, v)
		if !ok {
			return 0, mprog.EINVAL
		}
		return named, 0
	}
	return netns, 0
}

// AddPair makes a pair of devices that no request asked for.
func (s *Server) AddPair(netns uint64, name, peerName string) error {
	peerInfo := appendText(make([]byte, infoSize), attrName, peerName)
	info := appendText(nil, infoKind, kind)
	info = appendAttribute(info, infoData, appendAttribute(nil, netkitPeer, peerInfo))
	body := appendText(make([]byte, infoSize), attrName, name)
	body = appendAttribute(body, attrLinkInfo, info)
	attrs, _ := parseAttributes(body[infoSize:])
	r := &linkRequest{socket: &Socket{Netns: netns}, message: message{typ: newLink, body: body}, attrs: attrs}
	if errno := s.create(r); errno != 0 {
		return &mprog.Error{Op: "add device", Errno: errno, Detail: fmt.Sprintf("pair %s and %s", name, peerName)}
	}
	return nil
}

// AttrNetnsFD is the attribute of a link that names a namespace by an fd
// (IFLA_NET_NS_FD).
const AttrNetnsFD = attrNetnsFD
