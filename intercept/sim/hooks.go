package sim

import (
	"math"
	"slices"

	"github.com/nkconform/nkconform/fake"
	"github.com/nkconform/nkconform/mprog"
	"github.com/nkconform/nkconform/mprog/attr"
)

// request returns the attr as the decoders want it: as long as the caller told.
func (k *call) request() []byte { return k.attr[:k.size] }

// lend returns the process that stands for the caller, with the caller's fds
// that the call names open in it; done takes them back.
func (k *call) lend(fds ...uint32) (p *fake.Process, done func()) {
	p = k.standIn(k.caller)
	return p, k.lendTo(p, k.caller, fds)
}

// mirror gives the fake a device of the running kernel's that the caller names:
// every device has hooks. It returns who stands for the caller.
func (s *Sim) mirror(c Caller, ifindex uint32) *fake.Process {
	p := s.standIn(c)
	if ifindex == 0 || ifindex > math.MaxInt32 || p.HasDevice(ifindex) {
		return p
	}
	if name, ok := c.DeviceName(ifindex); ok {
		p.AddDeviceAt(mprog.DeviceSpec{Kind: kindOf(c.DeviceDriver(ifindex)), Name: name}, ifindex, nil, 0)
		netns := c.Netns()
		if s.record != nil {
			s.mirroredNames[awayKey{netns, ifindex}] = name
		}
		s.mirrored[netns] = append(s.mirrored[netns], ifindex)
	}
	return p
}

// kindOf is a device of a driver's to the fake, which wants to know whether XDP is in the
// driver. Those that have none are alike.
func kindOf(driver string) mprog.DeviceKind {
	switch driver {
	case "veth":
		return mprog.Veth
	case "dummy", "bridge", "vxlan", "geneve", "802.1Q VLAN Support", "ipvlan", "macvlan", "wireguard":
		return mprog.Dummy
	}
	return mprog.AnyDevice
}

// Mirrored returns which of the running kernel's devices in a network namespace
// have hooks here.
func (s *Sim) Mirrored(netns uint64) []uint32 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.mirrored[netns])
}

// MoveMirrored says that the running kernel's device is in another namespace now.
func (s *Sim) MoveMirrored(netns uint64, ifindex uint32, to uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mirrored[netns] = slices.DeleteFunc(s.mirrored[netns], func(i uint32) bool { return i == ifindex })
	s.mirrored[to] = append(s.mirrored[to], ifindex)
	s.recordMove(netns, ifindex, to, ifindex)
	s.resident(netns).MoveDeviceTo(s.resident(to), ifindex, ifindex)
}

// Unmirror says that the running kernel's device is gone.
func (s *Sim) Unmirror(netns uint64, ifindex uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mirrored[netns] = slices.DeleteFunc(s.mirrored[netns], func(i uint32) bool { return i == ifindex })
	s.recordGone(netns, ifindex)
	s.resident(netns).DeleteDeviceAt(ifindex)
	s.sweep()
}

const (
	closedFD = ^uint32(0)
	notBPF   = 1 // an fd of every process of the fake that is no BPF object
)

func (k *call) progAttach() error {
	r := attr.DecodeAttach(k.request())
	tell(k, r)
	if handle := k.otherAttach(r); handle != nil {
		return k.instead(mprog.OpProgAttach, r, handle)
	}
	k.mirror(k.caller, r.TargetIfindex)
	p, done := k.lend(attachFDs(&r)...)
	defer done()
	err := p.ProgAttach(r)
	k.hooked(r.TargetIfindex, r.AttachType, err)
	return err
}

// hooked notes that a device has got a program for what it sends or receives.
func (k *call) hooked(ifindex uint32, at mprog.AttachType, err error) {
	if err == nil && (at.TCX() || at == mprog.XDPDevice) {
		k.Hooked = ifindex
	}
}

func (k *call) progDetach() error {
	r := attr.DecodeDetach(k.request())
	tell(k, r)
	if handle := k.otherDetach(r); handle != nil {
		return k.instead(mprog.OpProgDetach, r, handle)
	}
	k.mirror(k.caller, r.TargetIfindex)
	p, done := k.lend(detachFDs(&r)...)
	defer done()
	defer k.sweep()
	return p.ProgDetach(r)
}

// hookRoom is more than the most entries of a hook: arrays that long take
// whatever a query writes.
const hookRoom = mprog.MaxPrograms + 1

func (k *call) progQuery() error {
	r, arrays := attr.DecodeQuery(k.request())
	r.ProgIDs = k.array(0, arrays.ProgIDs)
	r.ProgAttachFlags = k.array(1, arrays.ProgAttachFlags)
	r.LinkIDs = k.array(2, arrays.LinkIDs)
	r.LinkAttachFlags = k.array(3, arrays.LinkAttachFlags)
	tell(k, r)
	if at := r.AttachType; !at.TCX() && !at.Netkit() {
		other := r // on the heap, which a query of these hooks is not
		if handle := k.otherQuery(&other, arrays); handle != nil {
			return k.instead(mprog.OpProgQuery, other, handle)
		}
	}
	p := k.mirror(k.caller, r.TargetIfindex)
	res, err := p.ProgQuery(r)
	if _, ok := mprog.ErrnoOf(err); !ok || err != nil && res.Revision == 0 { // nothing has been written
		return err
	}
	if writeErr := k.writeQuery(&r, arrays, res); writeErr != nil {
		return writeErr
	}
	return err
}

// array returns what stands for one of the caller's arrays, unless its address is 0.
func (k *call) array(n int, address uint64) []uint32 {
	if address == 0 {
		return nil
	}
	return k.arrays[n][:]
}

// writeQuery writes what bpf_mprog_query writes, in its order: three fields, then
// entry after entry, each to all arrays.
func (k *call) writeQuery(r *mprog.QueryRequest, arrays attr.Arrays, res mprog.QueryResult) error {
	out := k.attr[:64]
	attr.EncodeQueryResult(out, res)
	segments := []Segment{{k.address + 12, out[12:64]}} // what lies between is as it was read
	if k.size < uint32(len(out)) {
		segments = []Segment{
			{k.address + 12, out[12:16]},
			{k.address + 24, out[24:28]},
			{k.address + 56, out[56:64]},
		}
	}
	if arrays.ProgIDs != 0 {
		for i := range min(r.Count, res.Count) {
			segments = appendEntry(segments, i, arrays.ProgIDs, r.ProgIDs)
			segments = appendEntry(segments, i, arrays.ProgAttachFlags, r.ProgAttachFlags)
			segments = appendEntry(segments, i, arrays.LinkIDs, r.LinkIDs)
			segments = appendEntry(segments, i, arrays.LinkAttachFlags, r.LinkAttachFlags)
		}
	}
	return k.write(segments...)
}

// appendEntry adds what is written for an entry to an array, if it is there.
func appendEntry(segments []Segment, i uint32, address uint64, array []uint32) []Segment {
	if address == 0 {
		return segments
	}
	return append(segments, Segment{address + 4*uint64(i), native.AppendUint32(nil, array[i])})
}

func (k *call) linkCreate() error {
	r := attr.DecodeLinkCreate(k.request())
	tell(k, r)
	if r.AttachType == attachStructOps {
		return k.instead(mprog.OpLinkCreate, r, k.linkStructOps)
	}
	if o, prog := k.inertProgram(r.ProgFD); prog != nil {
		return k.instead(mprog.OpLinkCreate, r, func() error { return k.linkInert(o, prog, r) })
	}
	k.mirror(k.caller, r.TargetIfindex)
	p, done := k.lend(linkFDs(&r)...)
	defer done()
	fd, err := p.LinkCreate(r)
	if err == nil {
		if err = k.give(p, fd); err == nil {
			k.New.made = true
		}
	}
	k.hooked(r.TargetIfindex, r.AttachType, err)
	return err
}

// give has the caller get what p has opened as fd.
func (k *call) give(p *fake.Process, fd uint32) error {
	held, _ := k.holder.Keep(p, fd)
	_ = p.Close(fd) // just opened
	o, err := k.adopt(held)
	k.New = o
	return err
}

func (k *call) linkUpdate() error {
	r := attr.DecodeLinkUpdate(k.request())
	tell(k, r)
	if l, o := k.inertLinkOf(r.LinkFD); l != nil {
		return k.instead(mprog.OpLinkUpdate, r, func() error { return k.updateLink(l, o, r) })
	}
	p, done := k.lend(updateFDs(&r)...)
	defer done()
	defer k.sweep()
	return p.LinkUpdate(r)
}

func (k *call) linkDetach() error {
	r := attr.DecodeLinkDetach(k.request())
	tell(k, r)
	if l, _ := k.inertLinkOf(r.LinkFD); l != nil {
		return k.instead(mprog.OpLinkDetach, r, func() error { return k.detachInert(l) })
	}
	p, done := k.lend(r.LinkFD)
	defer done()
	return p.LinkDetach(r)
}
