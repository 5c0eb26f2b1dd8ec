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
	pairs, single := s.backend.Supports()
	if !pairs {
		return mprog.EOPNOTSUPP
	}
	if v, _ := data.u32(netkitPairing); v == pairingSingle && single {
		return s.createSingle(r, netns, data, mode)
	}
	peerAttrs, peerIndex, peerFlags := attributes{}, uint32(0), uint32(0)
	if p := data[netkitPeer]; p != nil {
		if len(p) < infoSize {
			return mprog.EINVAL
		}
		peerAttrs, _ = parseAttributes(p[infoSize:])
		peerIndex, peerFlags = native.Uint32(p[4:]), native.Uint32(p[8:])
	}
	peerNetns, errno := r.target(peerAttrs, netns)
	if errno != 0 {
		return errno
	}
	if r.taken(netns, r.attrs.text(attrName)) || r.taken(peerNetns, peerAttrs.text(attrName)) {
		return mprog.EEXIST
	}
	// The peer is registered first.
	peer, errno := s.make(peerNetns, peerIndex, peerAttrs, mode, nil)
	if errno != 0 {
		return errno
	}
	d, errno := s.make(netns, r.index, r.attrs, mode, peer)
	if errno != 0 {
		return errno
	}
	d.primary, d.peer, peer.peer = true, peer, d
	if errno := configure(d, data); errno != 0 {
		return errno
	}
	for typ, field := range map[uint16]*uint16{netkitHeadroom: &d.headroom, netkitTailroom: &d.tailroom} {
		if p := data[typ]; len(p) >= 2 {
			*field = native.Uint16(p)
		}
	}
	peer.headroom, peer.tailroom = d.headroom, d.tailroom
	s.backend.Add(d, peer)
	s.devices = append(s.devices, peer, d)
	d.setFlags(native.Uint32(r.message.body[8:]), native.Uint32(r.message.body[12:]))
	peer.setFlags(peerFlags, peerFlags)
	s.announce(d)
	return 0
}

// createSingle makes a device without a peer, of which nothing may be said.
func (s *Server) createSingle(r *linkRequest, netns uint64, data attributes, mode uint32) mprog.Errno {
	for _, pairs := range []uint16{netkitPeer, netkitPolicy, netkitPeerPolicy, netkitPeerScrub} {
		if _, set := data[pairs]; set {
			return mprog.EOPNOTSUPP
		}
	}
	if r.taken(netns, r.attrs.text(attrName)) {
		return mprog.EEXIST
	}
	d, errno := s.make(netns, r.index, r.attrs, mode, nil)
	if errno != 0 {
		return errno
	}
	if v, ok := data.u32(netkitScrub); ok {
		d.scrub = v
	}
	d.primary = true
	s.backend.Add(d, nil)
	s.devices = append(s.devices, d)
	d.setFlags(native.Uint32(r.message.body[8:]), native.Uint32(r.message.body[12:]))
	s.announce(d)
	return 0
}

// make makes one end of a pair; other is the end made before.
func (s *Server) make(netns uint64, index uint32, attrs attributes, mode uint32, other *Device) (*Device, mprog.Errno) {
	taken := func(d *Device) bool { return d != nil && d.Netns == netns }
	name := attrs.text(attrName)
	if name == "" || name == "nk%d" {
		for i := 0; name == "" || name == "nk%d" || s.ByName(netns, name) != nil || taken(other) && other.Name == name; i++ {
			name = fmt.Sprintf("nk%d", i)
		}
	}
	if errno := checkName(name); errno != 0 {
		return nil, errno
	}
	if s.ByName(netns, name) != nil || taken(other) && other.Name == name {
		return nil, mprog.EEXIST
	}
	if index == 0 {
		s.last++
		for s.ByIndex(netns, s.last) != nil {
			s.last++
		}
		index = s.last
	} else if s.ByIndex(netns, index) != nil || taken(other) && other.Index == index {
		return nil, busy
	}
	d := newDevice(netns, index, name, mode)
	d.ids = s.ids
	if p, set := attrs[attrAddress]; set {
		if len(p) != len(d.Address) {
			return nil, mprog.EINVAL
		}
		if mode == modeL3 {
			return nil, mprog.EOPNOTSUPP
		}
		if p[0]&1 != 0 {
			return nil, notAvailable
		}
		copy(d.Address[:], p)
	}
	return d, d.set(attrs)
}

// configure applies policies and scrubs (netkit_new_link).
func configure(d *Device, data attributes) mprog.Errno {
	policies, scrubs := map[uint16]*uint32{netkitPolicy: &d.policy}, map[uint16]*uint32{netkitScrub: &d.scrub}
	if d.peer != nil {
		policies[netkitPeerPolicy], scrubs[netkitPeerScrub] = &d.peer.policy, &d.peer.scrub
	}
	for typ, field := range policies {
		if v, ok := data.u32(typ); ok {
			if v != policyPass && v != policyDrop {
				return mprog.EINVAL
			}
			*field = v
		}
	}
	for typ, field := range scrubs {
		if v, ok := data.u32(typ); ok {
			if v > scrubOn {
				return mprog.EINVAL
			}
			*field = v
		}
	}
	return 0
}

// set applies the attributes that every device has.
func (d *Device) set(attrs attributes) mprog.Errno {
	if mtu, ok := attrs.u32(attrMTU); ok {
		if mtu < minMTU || mtu > maxMTU {
			return mprog.EINVAL
		}
		d.MTU = mtu
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

// change is do_setlink and netkit_change_link.
func (s *Server) change(r *linkRequest, d *Device) mprog.Errno {
	if info := r.attrs.nested(attrLinkInfo); info[infoData] != nil {
		data := info.nested(infoData)
		if !d.primary {
			return mprog.EACCES
		}
		for _, fixed := range []uint16{netkitMode, netkitScrub, netkitPeerScrub, netkitHeadroom, netkitTailroom, netkitPrimary, netkitPeer} {
			if _, set := data[fixed]; set {
				return mprog.EACCES
			}
		}
		if errno := configure(d, data); errno != 0 {
			return errno
		}
	}
	if errno := d.set(r.attrs); errno != 0 {
		return errno
	}
	if p := r.attrs[attrAddress]; len(p) == len(d.Address) {
		if d.mode == modeL3 {
			return mprog.EOPNOTSUPP
		}
		copy(d.Address[:], p)
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
