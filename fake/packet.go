package fake

import (
	"fmt"

	"github.com/nkconform/nkconform/mprog"
)

// What programs return on netkit and tcx hooks alike (enum netkit_action, enum
// tcx_action_base).
const (
	verdictNext     int32 = -1
	verdictPass     int32 = 0
	verdictDrop     int32 = 2
	verdictRedirect int32 = 7
)

// Verdict tells what a hook makes of a packet when its programs, in their order,
// would return these values: how many of them run, and whether the packet goes
// on. A program that returns anything but -1 (NEXT) is the last to run.
//
// On a netkit hook 0 (PASS) lets the packet go on, all others drop it; with all
// programs saying NEXT it goes on, whatever the policy, which decides only where
// no program is attached. On a tcx hook 2 (DROP) and 7 (REDIRECT) keep the packet
// from going on, and any unknown value is taken for NEXT, although no further
// program runs.
//
// A packet that is redirected goes nowhere here: no program calls bpf_redirect,
// which would say where to.
func Verdict(at mprog.AttachType, returns []int32, policy mprog.NetkitPolicy) (ran int, passes bool) {
	verdict := verdictNext
	for _, verdict = range returns {
		if ran++; verdict != verdictNext {
			break
		}
	}
	switch {
	case at.TCX(): // tcx_run, tcx_action_code
		return ran, verdict != verdictDrop && verdict != verdictRedirect
	case ran == 0: // netkit_xmit
		return 0, policy == mprog.Forward
	}
	return ran, verdict == verdictNext || verdict == verdictPass
}

// Transmit has a netkit device, or lo, transmit a packet, and tells what became
// of it. Other devices, one without a peer, and what arrives at an XDP program are unsupported; ENODEV when there is none.
//
// A packet passes the device's tcx egress hook, then, for netkit, the hook of the
// pair, PRIMARY for what the primary device transmits and PEER for the peer, and
// then tcx ingress where it arrives.
func (k *Kernel) Transmit(ifindex uint32) (mprog.Delivery, error) {
	return do(k.Process, mprog.OpTransmit, ifindex, (*Process).transmit)
}

func (p *Process) transmit(ifindex uint32) (mprog.Delivery, error) {
	d := p.net.devices[ifindex]
	if d == nil {
		return mprog.Delivery{}, refuse(deviceAbsent, "no device has ifindex %d", ifindex)
	}
	to := d.peer
	switch d.kind {
	case loopback:
		to = d
	case mprog.Netkit:
		if d.single {
			return mprog.Delivery{}, fmt.Errorf("%s: %w: device %s has no peer", mprog.OpTransmit, mprog.ErrUnsupported, d.name)
		}
	default:
		return mprog.Delivery{}, fmt.Errorf("%s: %w: device %s is %s", mprog.OpTransmit, mprog.ErrUnsupported, d.name, d.kind)
	}
	if to.xdp.prog != nil {
		return mprog.Delivery{}, fmt.Errorf("%s: %w: device %s has an XDP program", mprog.OpTransmit, mprog.ErrUnsupported, to.name)
	}
	defer p.kernel.showHooks(d, to)()
	return d.transmit(to), nil
}

// packetProtocol is the ethertype of the packets that Transmit sends, one for local
// experiments.
const packetProtocol = 0x88b5

// transmit is the way of a packet through dev_queue_xmit, netkit_xmit or
// loopback_xmit, and netif_receive_skb.
func (d *device) transmit(to *device) (sent mprog.Delivery) {
	through := func(on *device, h *hook, at mprog.AttachType) bool {
		returns := make([]int32, h.count)
		for i, e := range h.entries[:h.count] {
			returns[i] = e.prog.ret
		}
		ran, passes := Verdict(at, returns, d.policy)
		for _, e := range h.entries[:ran] {
			sent.Ran = append(sent.Ran, e.prog.id)
		}
		if !at.TCX() || ran > 0 && !toFilters(returns[ran-1]) {
			return passes
		}
		more, _, passes := classify(on.matches(at, packetProtocol), func(p *program) int32 { return p.ret })
		sent.Ran = append(sent.Ran, more...)
		return passes
	}
	sent.Delivered = through(d, &d.tcx[1], mprog.TCXEgress) &&
		(d.kind != mprog.Netkit || through(d, &d.netkit, mprog.NetkitPrimary)) &&
		through(to, &to.tcx[0], mprog.TCXIngress)
	return sent
}
