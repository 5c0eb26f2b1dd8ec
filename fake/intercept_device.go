package fake

import "github.com/nkconform/nkconform/mprog"

// Devices of a guest's network namespace are made by somebody else, who also
// says what ifindexes they have.

// AddDeviceAt is [Kernel.AddDevice] in the process's network namespace, with
// given ifindexes and nothing checked. The peer, if there is one, is in another
// process's namespace, or the same.
func (p *Process) AddDeviceAt(spec mprog.DeviceSpec, ifindex uint32, other *Process, peer uint32) {
	p.kernel.mu.Lock()
	defer p.kernel.mu.Unlock()
	a := p.net.registerAt(spec.Name, spec.Kind, ifindex)
	if spec.Peer == "" {
		a.primary, a.single = spec.Kind == mprog.Netkit, spec.Kind == mprog.Netkit
		return
	}
	b := other.net.registerAt(spec.Peer, spec.Kind, peer)
	a.peer, b.peer, a.primary = b, a, true
}

func (n *netns) registerAt(name string, kind mprog.DeviceKind, ifindex uint32) *device {
	last := n.lastIfindex
	n.lastIfindex = ifindex - 1
	d := n.register(name, kind)
	n.lastIfindex = last
	return d
}

// HasDevice reports whether the process's network namespace has a device.
func (p *Process) HasDevice(ifindex uint32) bool {
	p.kernel.mu.Lock()
	defer p.kernel.mu.Unlock()
	return p.net.devices[ifindex] != nil
}

// DeviceName returns the name of a device of the process's network namespace, false
// when there is none.
func (p *Process) DeviceName(ifindex uint32) (name string, ok bool) {
	p.kernel.mu.Lock()
	defer p.kernel.mu.Unlock()
	d := p.net.devices[ifindex]
	if d == nil {
		return "", false
	}
	return d.name, true
}

// DeleteDeviceAt is [Kernel.DeleteDevice] in the process's network namespace.
func (p *Process) DeleteDeviceAt(ifindex uint32) {
	p.kernel.mu.Lock()
	defer p.kernel.mu.Unlock()
	d := p.net.devices[ifindex]
	if d == nil {
		return
	}
	d.remove()
}

// RenameDeviceAt gives a device another name.
func (p *Process) RenameDeviceAt(ifindex uint32, name string) {
	p.kernel.mu.Lock()
	defer p.kernel.mu.Unlock()
	if d := p.net.devices[ifindex]; d != nil {
		d.name = name
	}
}

// MoveDeviceTo moves a device to another process's network namespace, where it
// has the ifindex that is given.
func (p *Process) MoveDeviceTo(to *Process, ifindex, at uint32) {
	p.kernel.mu.Lock()
	defer p.kernel.mu.Unlock()
	d := p.net.devices[ifindex]
	if d == nil {
		return
	}
	d.setQdisc(nil)
	delete(p.net.devices, ifindex)
	d.net, d.ifindex = to.net, at
	to.net.devices[at] = d
}

// PassingPacket is what the kernel looks at of a packet itself: its ethertype, its
// bytes on the wire, and how many packets they are there.
type PassingPacket struct {
	Protocol uint16
	Bytes    uint32
	Packets  uint32
}

// PassAt has a packet pass a hook of a device itself: on a netkit
// device, PRIMARY is the hook of what the primary transmits, PEER of what the peer
// does, and both mean here the device's own. On a tcx hook the filters of a qdisc come
// behind the programs; a device's XDP program is at [mprog.XDPDevice]. Run says what a program, by its id, returns. See [Verdict] and
// [FilterVerdict] for the answer: the programs that ran, what the last returned, and
// whether the packet goes on.
func (p *Process) PassAt(ifindex uint32, at mprog.AttachType, policy mprog.NetkitPolicy, packet PassingPacket,
	run func(prog uint32) int32) (ran []uint32, verdict int32, passes bool) {
	progs, filters, counts := p.programsAt(ifindex, at, packet.Protocol)
	if at == mprog.XDPDevice {
		for _, id := range progs {
			verdict = run(id)
		}
		return progs, verdict, len(progs) == 0 || verdict == xdpPass
	}
	returns := make([]int32, 0, len(progs))
	for _, id := range progs {
		verdict = run(id)
		ran, returns = append(ran, id), append(returns, verdict)
		if verdict != verdictNext {
			break
		}
	}
	_, passes = Verdict(at, returns, policy)
	if counts != nil && (len(ran) == 0 || toFilters(verdict)) {
		decided := int32(verdictNext)
		if len(filters) > 0 {
			var more []uint32
			more, verdict, passes = classify(filters, func(p *program) int32 { return run(p.id) })
			ran, decided = append(ran, more...), verdict
		}
		p.count(counts, packet, decided == verdictDrop && !passes)
	}
	return ran, verdict, passes
}

// Watched reports whether any program sees a device's packets.
func (p *Process) Watched(ifindex uint32) bool {
	p.kernel.mu.Lock()
	defer p.kernel.mu.Unlock()
	d := p.net.devices[ifindex]
	if d == nil {
		return false
	}
	in, out := &d.tcx[0], &d.tcx[1]
	return d.xdp.prog != nil || in.count > 0 || out.count > 0 || d.filtered(mprog.TCXIngress) || d.filtered(mprog.TCXEgress)
}

// xdpPass is XDP_PASS.
const xdpPass = 2

// count counts a packet that came to a qdisc's filters (tc_run).
func (p *Process) count(counts *mprog.QdiscCounts, packet PassingPacket, dropped bool) {
	p.kernel.mu.Lock()
	defer p.kernel.mu.Unlock()
	counts.Bytes += uint64(packet.Bytes)
	counts.Packets += packet.Packets
	if dropped {
		counts.Drops++
	}
}

// programsAt returns what is at a hook for packets of an ethertype, and where packets
// are counted that come to filters, nil if there are none for any packet.
func (p *Process) programsAt(ifindex uint32, at mprog.AttachType, protocol uint16) (ids []uint32, filters []match, counts *mprog.QdiscCounts) {
	p.kernel.mu.Lock()
	defer p.kernel.mu.Unlock()
	d := p.net.devices[ifindex]
	if d == nil {
		return nil, nil, nil
	}
	if at == mprog.XDPDevice {
		if d.xdp.prog != nil {
			ids = append(ids, d.xdp.prog.id)
		}
		return ids, nil, nil
	}
	h := &d.netkit
	if at.TCX() {
		h, filters = &d.tcx[at-mprog.TCXIngress], d.matches(at, protocol)
		if d.filtered(at) {
			counts = &d.qdisc.counts
		}
	}
	for _, e := range h.entries[:h.count] {
		ids = append(ids, e.prog.id)
	}
	return ids, filters, counts
}
