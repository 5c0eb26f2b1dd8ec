package fake

import (
	"fmt"
	"math/bits"

	"github.com/nkconform/nkconform/mprog"
)

// Links of XDP programs are here for what they are to mprog: links whose program
// has another type. A device has at most one, of generic XDP. What such a program
// does to packets, and XDP in drivers, is unsupported.

// The flags of BPF_LINK_CREATE for them (include/uapi/linux/if_link.h).
const (
	xdpGeneric  mprog.Flags = 1 << 1 // XDP_FLAGS_SKB_MODE
	xdpDriver   mprog.Flags = 1 << 2 // XDP_FLAGS_DRV_MODE
	xdpHardware mprog.Flags = 1 << 3 // XDP_FLAGS_HW_MODE
	xdpModes                = xdpGeneric | xdpDriver | xdpHardware
)

// xdpLink is bpf_xdp_link_attach.
func (p *Process) xdpLink(r *mprog.LinkCreateRequest, prog *program) (fd uint32, err error) {
	d := p.net.devices[r.TargetIfindex]
	if d == nil {
		return 0, refuse(xdpDeviceNone, "no device has ifindex %d", r.TargetIfindex)
	}
	if known := d.kind == loopback || d.kind == mprog.Dummy || d.kind == mprog.Netkit; !known && r.Flags&^xdpModes == 0 && r.Flags != xdpGeneric {
		return 0, fmt.Errorf("%s: %w: XDP by the driver of %s", mprog.OpLinkCreate, mprog.ErrUnsupported, d.name)
	}
	if r.Flags == xdpDriver && d.xdp != nil { // EEXIST or EOPNOTSUPP, also within a release
		return 0, fmt.Errorf("%s: %w: XDP by the driver where there is generic XDP", mprog.OpLinkCreate, mprog.ErrUnsupported)
	}
	l := p.kernel.newLink(prog, d, r.AttachType)
	if err := d.takesXDP(r.Flags, !p.kernel.missing[mprog.FeatureSingle]); err != nil {
		l.dev = nil
		l.put()
		return 0, err
	}
	d.xdp = l
	l.settled = true
	p.passed(didLink, uint64(l.id), 0)
	return p.open(l), nil
}

// takesXDP is dev_xdp_attach, for a link.
func (d *device) takesXDP(flags mprog.Flags, single bool) error {
	driver := d.kind == mprog.Netkit && single // has XDP, for other purposes, since there are single devices
	switch {
	case flags&^xdpModes != 0 || bits.OnesCount32(uint32(flags)) > 1:
		return refuse(xdpFlags, "flags %s", flags)
	case flags == xdpHardware && driver:
		return refuse(xdpNotOffloaded, "program for the device %s", d.name)
	case flags&(xdpDriver|xdpHardware) != 0:
		return refuse(xdpNative, "the driver of %s has no XDP", d.name)
	case flags == 0 && driver:
		return refuse(xdpNetkit, "device %s", d.name)
	case d.xdp != nil:
		return refuse(xdpBusy, "link id %d is there", d.xdp.id)
	}
	return nil
}

// updateXDP is what bpf_xdp_link_update checks besides what all links do.
func (l *link) updateXDP(prog *program) error {
	if prog.typ != l.prog.typ {
		return refuse(updateType, "program id %d has type %d, the link's %d", prog.id, prog.typ, l.prog.typ)
	}
	l.prog.put()
	l.prog = prog.get()
	return nil
}
