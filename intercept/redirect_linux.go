//go:build amd64 || arm64

package intercept

import (
	"bytes"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/nkconform/nkconform/intercept/machine"
	"github.com/nkconform/nkconform/intercept/rtnl"
)

// redirect takes a packet where a program wants it: to a device in the namespace
// of the one that it is at, or to that one's peer (skb_do_redirect).
func (p *pump) redirect(at *end, j *journey) {
	r := j.Redirect
	to := p.find(at.netns, r.Ifindex)
	if to == nil {
		p.redirectForeign(at, j)
		return
	}
	if !to.up || j.redirects == maxRedirects {
		return
	}
	j.redirects++
	switch {
	case r.Peer:
		p.redirectPeer(at, to.peer, j)
	case r.Neighbour && j.Packet.Protocol() != unix.ETH_P_IP && j.Packet.Protocol() != unix.ETH_P_IPV6: // there are no others
	case r.Neighbour && !to.layer3:
		j.redirects--
		p.redirectNeighbour(outlet{at, r.Ifindex, false}, j)
	case r.Neighbour:
		clear(j.Data[:min(2*6, len(j.Data))]) // the addresses of such devices
		fallthrough
	case !r.Ingress:
		j.On(to.index)
		p.queue(to, j)
	default:
		p.arrive(to, j)
	}
}

// redirectForeign takes a packet to a device of the running kernel's.
func (p *pump) redirectForeign(at *end, j *journey) {
	r := j.Redirect
	side := rtnl.Ingress
	if r.Ifindex == loopbackIndex {
		side = rtnl.Egress // its only one
	}
	switch to := p.tetherOf(at.netns, r.Ifindex, side); {
	case r.Peer:
		p.s.warn(fmt.Sprintf("bpf_redirect_peer to device %d, which is no netkit device, is not simulated: its packet is dropped", r.Ifindex))
	case r.Neighbour:
		p.redirectNeighbour(outlet{at, r.Ifindex, false}, j)
	case !r.Ingress:
		p.sendBy(outlet{at, r.Ifindex, false}, j)
	case to != nil && j.redirects < maxRedirects:
		j.redirects++
		p.received(to, j)
	default:
		p.s.warn(fmt.Sprintf("a packet that is to arrive at device %d, which has no program here, is dropped", r.Ifindex))
	}
}

// redirectPeer has a packet arrive at another pair's other end, or be sent there.
// From where packets are sent there is no arriving, nor within one namespace.
func (p *pump) redirectPeer(at, to *end, j *journey) {
	switch {
	case to == nil, !to.up:
	case j.Redirect.Egress:
		j.On(to.index)
		p.queue(to, j)
	case j.Ingress && to.netns != at.netns:
		to.counts.Received(uint64(len(j.Data)))
		p.arrive(to, j)
	}
}

// sendClones sends the copies that programs made of a packet.
func (p *pump) sendClones(at *end, j *journey) {
	clones := j.Clones
	j.Clones = nil
	for _, c := range clones {
		copied := &journey{Packet: c.Packet, vnet: bytes.Clone(j.vnet), length: j.length, redirects: j.redirects}
		copied.Redirect = machine.Redirect{Ifindex: c.Ifindex, Ingress: c.Ingress}
		p.redirect(at, copied)
	}
}
