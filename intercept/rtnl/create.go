package rtnl

import (
	"bytes"
	"fmt"

	"github.com/nkconform/nkconform/mprog"
)

// create is rtnl_newlink_create and netkit_new_link.
func (s *Server) create(r *linkRequest) error {
	release := s.backend.Supports(r.socket.Netns)
	if !release.Pairs {
		return mprog.EOPNOTSUPP
	}
	data, err := r.netkitData(release)
	if err != nil {
		return err
	}
	if err := s.creatable(r); err != nil {
		return err
	}
	netns, err := r.target(r.attrs, r.socket.Netns)
	if err != nil {
		return err
	}
	model := netkitInfo{release: release, mode: modeL3, scrub: scrubOn}
	if mode, set := data.u32(netkitMode); set {
		if model.mode = mode; mode > modeL3 {
			return r.blame(data[netkitMode], mprog.EINVAL, "Provided device mode can only be L2 or L3")
		}
	}
	if p := data[netkitHeadroom]; p != nil {
		model.headroom = native.Uint16(p)
	}
	if p := data[netkitTailroom]; p != nil {
		model.tailroom = native.Uint16(p)
	}
	if v, _ := data.u32(netkitPairing); v == pairingSingle {
		model.single = true
	}
	d, err := s.newEnd(r, netns, r.index, r.attrs, model)
	if err != nil {
		return err
	}
	d.primary = true
	peer, err := s.furnish(r, d, data)
	if err != nil {
		return err
	}
	if errno := s.build(r, Wish{Device: d, Attributes: forKernel(r.message.body[infoSize:])}, peer); errno != 0 {
		if errno == busy && r.index != 0 && r.message.flags&flagExcl != 0 {
			return mprog.EEXIST // it is there, as a device of another kind
		}
		return errno
	}
	if peer != nil {
		s.start(peer.Device, peer.flags, peer.flags)
	}
	s.start(d, native.Uint32(r.message.body[8:]), native.Uint32(r.message.body[12:]))
	s.announce(d)
	s.echo(r, d)
	return nil
}

// creatable refuses what no new device may have, and what is not simulated.
func (s *Server) creatable(r *linkRequest) error {
	if err := r.checkLength(r.attrs); err != nil {
		return err
	}
	if families := r.attrs.nested(attrFamilies); len(families) > 0 {
		return noFamily // it has none yet (validate_linkmsg)
	}
	for typ, words := range map[uint16]string{attrLinkNetnsID: "Unknown network namespace id", attrTargetNetnsID: ""} {
		id, set := r.attrs.u32(typ)
		if !set {
			continue
		}
		if r.socket.Forward != nil {
			if a := (Ask{Seq: takenSeq}); a.Errno(r.socket.Forward(a.Find(id, "lo"))) == 0 {
				return s.refuse("a new netkit device whose namespace is given by an id is not simulated: give an fd or a process")
			}
		}
		return refused(mprog.EINVAL, words)
	}
	return nil
}

// furnish gives a new device what the request says of it and of its peer, and returns
// the peer, nil for a single device.
func (s *Server) furnish(r *linkRequest, d *Device, data attributes) (*Wish, error) {
	if err := r.policyOf(data, netkitPolicy, &d.policy); err != nil {
		return nil, err
	}
	var peerPolicy uint32
	if err := r.policyOf(data, netkitPeerPolicy, &peerPolicy); err != nil {
		return nil, err
	}
	if d.release.Single && d.queues[0] > 1 {
		return nil, mprog.EOPNOTSUPP
	}
	if d.single {
		for _, typ := range []uint16{netkitPeer, netkitPeerPolicy, netkitScrub, netkitPeerScrub} {
			if _, set := data[typ]; set {
				return nil, mprog.EOPNOTSUPP
			}
		}
		if d.policy != policyPass {
			return nil, mprog.EOPNOTSUPP
		}
		return nil, nil
	}
	peer, err := s.newPeer(r, data, d)
	if err != nil {
		return nil, err
	}
	if d.release.Single && peer.queues[0] > 1 {
		return nil, mprog.EOPNOTSUPP
	}
	peer.policy = peerPolicy
	for typ, field := range map[uint16]*uint32{netkitScrub: &d.scrub, netkitPeerScrub: &peer.scrub} {
		if v, set := data.u32(typ); set {
			*field = v
		}
	}
	d.peer, peer.peer = peer.Device, d
	return peer, nil
}

// newPeer is the peer that the attributes of a pair to be made describe.
func (s *Server) newPeer(r *linkRequest, data attributes, d *Device) (*Wish, error) {
	attrs, index, wish := attributes{}, uint32(0), &Wish{}
	if p := data[netkitPeer]; p != nil {
		attrs, _ = parseAttributes(p[infoSize:])
		index, wish.flags, wish.Attributes = native.Uint32(p[4:]), native.Uint32(p[8:]), forKernel(p[infoSize:])
		if err := r.checkLength(attrs); err != nil {
			return nil, err
		}
	} else { // it takes the primary's, but for what makes that itself
		for typ, value := range r.attrs {
			if ofPeer(typ) {
				attrs[typ] = value
			}
		}
		wish.Attributes = edited(forKernel(r.message.body[infoSize:]), func(typ uint16, value []byte) []byte {
			if !ofPeer(typ) {
				return nil
			}
			return value
		})
	}
	netns, err := r.target(attrs, d.Netns)
	if err != nil {
		return nil, err
	}
	model := d.netkitInfo
	model.primary, model.policy, model.scrub = false, policyPass, scrubOn
	wish.Device, err = s.newEnd(r, netns, index, attrs, model)
	return wish, err
}

// ofPeer reports whether a peer of which nothing is said takes an attribute from the
// primary.
func ofPeer(typ uint16) bool {
	return ofNew[typ] && typ != attrAddress && typ != attrMaster || typ == attrTxQueues || typ == attrRxQueues
}

// checkLength refuses a name that the policy of rtnetlink does not let through.
func (r *linkRequest) checkLength(attrs attributes) error {
	if name := attrs[attrName]; len(bytes.TrimRight(name, "\x00")) > maxName {
		return r.blame(name, mprog.ERANGE, shortAttribute)
	}
	return nil
}

// newEnd is one end of a pair as it is wished for, or a device without a peer.
func (s *Server) newEnd(r *linkRequest, netns uint64, index uint32, attrs attributes, model netkitInfo) (*Device, error) {
	if p, set := attrs[attrAddress]; set {
		switch {
		case len(p) != len(Device{}.address):
			return nil, mprog.EINVAL
		case p[0]&1 != 0 || [6]byte(p) == [6]byte{}:
			return nil, notAvailable
		}
	}
	name := attrs.text(attrName)
	if name == "" {
		name = "nk%d"
	}
	if errno := checkName(name); errno != 0 {
		return nil, errno
	}
	d := newDevice(netns, index, name, model)
	for i, words := range []string{"transmit", "receive"} {
		const most = 4096
		if n, set := attrs.u32(attrTxQueues + uint16(i)); set {
			if n < 1 || n > most {
				return nil, refused(mprog.EINVAL, "Invalid number of "+words+" queues")
			}
			d.queues[i] = n
		}
	}
	if err := d.set(r, attrs); err != nil {
		return nil, err
	}
	if p, set := attrs[attrAddress]; set {
		if d.Layer3() {
			return nil, mprog.EOPNOTSUPP
		}
		copy(d.address[:], p)
	}
	if master, _ := attrs.u32(attrMaster); master != 0 && d.Layer3() && r.isBridge(master) {
		return nil, mprog.EINVAL // a bridge takes none without an address
	}
	return d, nil
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
