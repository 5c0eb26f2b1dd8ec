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
	noProcess    mprog.Errno = 3  // ESRCH
	noFamily     mprog.Errno = 97 // EAFNOSUPPORT
	notAvailable mprog.Errno = 99 // EADDRNOTAVAIL
)

// set applies the attributes that every device has, for a new device, or one that the
// running kernel does not have.
func (d *Device) set(r *linkRequest, attrs attributes) error {
	for _, typ := range []uint16{attrMTU, attrQueueLen, attrGroup, attrTxQueues, attrRxQueues} {
		if value, set := attrs[typ]; set {
			if why := u32Number.check(r, value); why != nil {
				return why
			}
		}
	}
	if mtu, ok := attrs.u32(attrMTU); ok {
		switch {
		case mtu < minMTU:
			return refused(mprog.EINVAL, "mtu less than device minimum")
		case mtu > maxMTU:
			return refused(mprog.EINVAL, "mtu greater than device maximum")
		}
		d.mtu = mtu
	}
	if n, ok := attrs.u32(attrQueueLen); ok {
		d.queueLen = n
	}
	if g, ok := attrs.u32(attrGroup); ok {
		d.group = g
	}
	return d.segments(r, attrs)
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
func (s *Server) change(r *linkRequest, d *Device) (forward message, err error) {
	info := r.attrs.nested(attrLinkInfo)
	if r.message.typ == newLink && info[infoData] != nil {
		if info.text(infoKind) != kind {
			return message{}, mprog.EOPNOTSUPP
		}
		data, err := r.netkitData(d.release)
		if err == nil {
			err = d.changeNetkit(r, data)
		}
		if d.wires != nil {
			s.wires.Changed(d)
		}
		if err != nil {
			return message{}, err
		}
	}
	if err := d.changeable(r); err != nil {
		return message{}, err
	}
	if err := d.segments(r, r.attrs); err != nil {
		return message{}, err
	}
	if d.wires == nil {
		return message{}, s.changeUnwired(r, d)
	}
	up := native.Uint32(r.message.body[8:]) & FlagUp
	if up&native.Uint32(r.message.body[12:]) != 0 || up != 0 && native.Uint32(r.message.body[12:]) == 0 {
		s.wires.Raise(d)
	}
	return r.forKernel(), nil
}

// changeable refuses what netkit devices cannot do, and what stands for them could.
func (d *Device) changeable(r *linkRequest) error {
	if p, set := r.attrs[attrAddress]; set {
		switch {
		case len(p) < len(d.address):
			return mprog.EINVAL
		case d.Layer3():
			return mprog.EOPNOTSUPP
		}
	}
	if master, _ := r.attrs.u32(attrMaster); master != 0 && d.Layer3() && r.isBridge(master) {
		return mprog.EINVAL // a bridge takes none without an address
	}
	if _, set := r.attrs[attrCarrier]; set {
		return mprog.EOPNOTSUPP // no ndo_change_carrier
	}
	return nil
}

func (s *Server) changeUnwired(r *linkRequest, d *Device) error {
	if err := d.set(r, r.attrs); err != nil {
		return err
	}
	if _, ok := r.attrs[attrAlias]; ok {
		d.alias = r.attrs.text(attrAlias)
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
	netns, err := r.target(r.attrs, d.Netns)
	if err != nil {
		return err
	}
	if netns != d.Netns {
		if errno := s.move(d, netns); errno != 0 {
			return errno
		}
	}
	d.setFlags(native.Uint32(r.message.body[8:]), native.Uint32(r.message.body[12:]))
	s.announce(d)
	return nil
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

// isBridge reports whether a device that is to be a master is a bridge, which takes no
// device without an address. The kernel refuses by itself what is no master at all.
func (r *linkRequest) isBridge(ifindex uint32) bool {
	if r.socket.Forward == nil {
		return true
	}
	for _, p := range r.socket.Forward(Lookup(ifindex, takenSeq)) {
		for _, m := range split(p) {
			if m.typ != newLink || len(m.body) < infoSize {
				continue
			}
			attrs, _ := parseAttributes(m.body[infoSize:])
			return attrs.nested(attrLinkInfo).text(infoKind) == "bridge"
		}
	}
	return false
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

// target returns the namespace that attributes name, or the one given
// (rtnl_link_get_net_capable).
func (r *linkRequest) target(attrs attributes, netns uint64) (uint64, error) {
	named := 0
	for typ, errno := range map[uint16]mprog.Errno{attrNetnsFD: mprog.EBADF, attrNetnsPID: noProcess, attrTargetNetnsID: mprog.EINVAL} {
		v, ok := attrs.u32(typ)
		if !ok {
			continue
		}
		if named++; named > 1 {
			return 0, refused(mprog.EINVAL, "multiple netns identifying attributes specified")
		}
		if typ == attrTargetNetnsID {
			continue
		}
		there, ok := r.socket.Namespace(typ, v)
		if !ok {
			return 0, errno
		}
		netns = there
	}
	return netns, nil
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
	if err := s.create(r); err != nil {
		errno, _ := mprog.ErrnoOf(err)
		return &mprog.Error{Op: "add device", Errno: errno, Detail: fmt.Sprintf("pair %s and %s", name, peerName)}
	}
	return nil
}

// AttrNetnsFD is the attribute of a link that names a namespace by an fd
// (IFLA_NET_NS_FD).
const AttrNetnsFD = attrNetnsFD
