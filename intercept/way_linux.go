//go:build amd64 || arm64

package intercept

import (
	"bytes"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/nkconform/nkconform/intercept/machine"
	"github.com/nkconform/nkconform/intercept/sim"
	"github.com/nkconform/nkconform/mprog"
)

const (
	linkHeader   = 14 // sizeof(struct ethhdr)
	actRedirect  = 7  // TCX_REDIRECT, NETKIT_REDIRECT
	maxRedirects = 4  // XMIT_RECURSION_LIMIT is twice that
)

// journey is a frame on its way.
type journey struct {
	*machine.Packet
	vnet      []byte // its struct virtio_net_hdr
	length    int    // that goes with that
	whole     bool   // it was to be cut into pieces, and cannot be any more
	redirects int
}

// pass has a packet pass a hook of a device.
func (p *pump) pass(e *end, at mprog.AttachType, j *journey) sim.Passage {
	return p.passAt(e, e.index, at, j)
}

func (p *pump) passAt(e *end, index uint32, at mprog.AttachType, j *journey) sim.Passage {
	has := e // the packet, from where programs look at the network
	if at == mprog.NetkitPrimary {
		has = e.peer
	}
	j.Outside = has.outside
	made := p.s.at(e.netns).Pass(e.netns, index, at, e.policy, j.Packet)
	if len(j.Clones) > 0 {
		p.sendClones(has, j)
	}
	if p.s.log != nil {
		p.s.log.packet(e.title(), at, &made)
	}
	return made
}

// title is how a device is called in explanations.
func (e *end) title() string {
	if e.tether != nil {
		return fmt.Sprintf("device %d", e.tether.index)
	}
	return e.name
}

// transmit is the way of a frame that a TAP device has sent, in front of which is
// what tells of it.
func (p *pump) transmit(e *end, data []byte) {
	frame := data[vnetHeader:]
	if e.layer3 { // the TAP device has put its own address in both places
		for _, address := range [][]byte{frame[:6], frame[6:12]} {
			if [6]byte(address) == e.mac {
				clear(address)
			}
		}
	}
	j := &journey{Packet: machine.NewPacket(frame, e.index), vnet: data[:vnetHeader], length: len(frame)}
	describe(j.vnet, j.Packet)
	if e.netns == p.sending && (j.Protocol() == unix.ETH_P_IP || j.Protocol() == unix.ETH_P_IPV6) {
		j.Tag(p.sender.mark, p.sender.priority)
	} else {
		p.tagLater(e, j.Packet)
	}
	if e.netns == p.sending {
		tid := p.sender.tid
		j.Task = func() *machine.Task { return taskOf(tid) }
	}
	if e.tether != nil {
		p.tethered(e, j)
		return
	}
	p.queue(e, j)
}

// queue is the way of a frame from a netkit device to its peer (__dev_queue_xmit,
// netkit_xmit).
func (p *pump) queue(e *end, j *journey) {
	if made := p.pass(e, mprog.TCXEgress, j); !made.Passes {
		p.divert(e, e, &made, j)
		return
	}
	p.xmit(e, j)
}

// xmit is the way of a frame through the pair (netkit_xmit).
func (p *pump) xmit(e *end, j *journey) {
	sent := uint64(len(j.Data))
	if e.peer == nil || !e.up || !e.peer.up {
		e.counts.TxDropped++
		if e.peer == nil {
			p.refuse(e)
		}
		return
	}
	if e.scrub && e.netns != e.peer.netns {
		j.Tag(0, 0)
	}
	j.Reached(e.peer.index, e.peer.kind(j.Data))
	if made := p.pass(e, mprog.NetkitPrimary, j); !made.Passes {
		if made.Verdict == actRedirect {
			e.counts.Sent(sent)
		} else {
			e.counts.TxDropped++
		}
		p.divert(e, e.peer, &made, j)
		return
	}
	e.counts.Sent(sent)
	e.peer.counts.Received(sent)
	p.arrive(e.peer, j)
}

// arrive is the way of a packet into a device (__netif_receive_skb_core).
func (p *pump) arrive(e *end, j *journey) {
	j.Received(e.index)
	switch p.xdp(e, e.index, j) {
	case xdpGoesOn:
	case xdpTransmits:
		p.sendBy(outlet{e, e.index, true}, j)
		return
	default:
		return
	}
	if made := p.pass(e, mprog.TCXIngress, j); !made.Passes {
		if made.Verdict == actRedirect {
			p.divert(e, e, &made, j)
		}
		return
	}
	p.deliver(e, j)
}

// What an XDP program makes of a packet.
const (
	xdpGone = iota
	xdpGoesOn
	xdpTransmits
)

// xdp has a packet pass a device's XDP program (do_xdp_generic). What changes the
// packet, changes its protocol, too.
func (p *pump) xdp(e *end, index uint32, j *journey) int {
	made := p.passAt(e, index, mprog.XDPDevice, j)
	inDriver := made.Verdict >= actTransmit && p.s.at(e.netns).XDP(e.netns, index).Driver
	toCPU := made.Verdict == actXDPRedirect && j.Redirect.CPU
	switch {
	case made.Verdict == 0 && made.Passes: // no program
		return xdpGoesOn
	case made.Verdict == actTransmit && inDriver && !p.takesFromDriver(e):
	case toCPU && !p.atCPU(e, index, inDriver, j):
	case made.Passes, made.Verdict == actTransmit, toCPU:
		kind := j.Kind()
		*j = *j.again(index)
		j.Reached(index, kind)
		j.Received(index)
		if made.Verdict == actTransmit {
			return xdpTransmits
		}
		return xdpGoesOn
	case made.Verdict == actXDPRedirect:
		p.redirectXDP(e, index, inDriver, j)
	}
	return xdpGone
}

// again is the frame as a packet that a device begins with, since an XDP program has
// changed it: a copy.
func (j *journey) again(index uint32) *journey {
	j.mend()
	made := &journey{Packet: machine.NewPacket(bytes.Clone(j.Data), index), vnet: bytes.Clone(j.vnet), length: j.length, redirects: j.redirects}
	describe(made.vnet, made.Packet)
	made.whole = j.whole
	made.TagLike(j.Packet)
	return made
}

// What XDP programs return.
const (
	actXDPPass     = 2 // XDP_PASS
	actTransmit    = 3 // XDP_TX
	actXDPRedirect = 4 // XDP_REDIRECT
)

// divert handles a packet that does not go on: it is dropped, or redirected by a
// program.
func (p *pump) divert(from, at *end, made *sim.Passage, j *journey) {
	if made.Verdict != actRedirect {
		p.refuse(from)
		return
	}
	p.redirect(at, j)
}

func (p *pump) find(netns uint64, index uint32) *end {
	for _, e := range p.ends {
		if e.netns == netns && e.index == index {
			return e
		}
	}
	return nil
}

// deliver writes a frame to the TAP device that receives it.
func (p *pump) deliver(e *end, j *journey) {
	frame := j.Data
	if len(frame) < linkHeader {
		return
	}
	if e.layer3 && [6]byte(frame) == [6]byte{} {
		copy(frame, e.mac[:]) // else it is another host's
	}
	p.write(e, j)
}

// write writes a frame to a TAP device.
func (p *pump) write(e *end, j *journey) {
	if j.Assigned != nil && !isFor(j.Assigned, j.Packet) {
		p.s.warn("a packet that bpf_sk_assign gives to a socket that it is not for is dropped: the running kernel finds its sockets by itself")
		return
	}
	frame := j.Data
	if j.mend() {
		p.warnWhole()
	}
	_, _ = unix.Writev(int(e.tap), [][]byte{j.vnet, frame}) // a device that is down, or gone, receives nothing
}

// warnWhole says what is not done of segmentation.
func (p *pump) warnWhole() {
	p.s.warn("segments of TCP that a program puts into a tunnel are handed on as one packet")
}

// isFor reports whether a socket is the one that gets a packet where nothing is said of it.
func isFor(s *machine.Socket, packet *machine.Packet) bool {
	q, ok := packet.For()
	if !ok || packet.Outside == nil {
		return false
	}
	found, ok, err := packet.Outside.Socket(q)
	return err == nil && ok && found.Cookie == s.Cookie
}

// refuse notes that a frame was dropped as its sender is told.
func (p *pump) refuse(e *end) {
	if p.refused == nil {
		p.refused = e
	}
}

// kind says whom a frame is for, as a device sees it: PACKET_HOST and so on.
func (e *end) kind(frame []byte) uint32 {
	own := e.mac
	if e.layer3 || e.tether != nil {
		own = e.own
	}
	switch to := [6]byte(frame); {
	case to == own:
		return unix.PACKET_HOST
	case to == [6]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}:
		return unix.PACKET_BROADCAST
	case to[0]&1 != 0:
		return unix.PACKET_MULTICAST
	}
	return unix.PACKET_OTHERHOST
}
