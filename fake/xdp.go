package fake

import (
	"fmt"
	"math/bits"

	"github.com/nkconform/nkconform/mprog"
)

// A device has at most one XDP program, generic or the driver's, by a link or by
// rtnetlink. Here is how they are attached; what such a program does to packets is
// unsupported.

// The flags of BPF_LINK_CREATE and of IFLA_XDP_FLAGS (include/uapi/linux/if_link.h).
const (
	xdpAbsent   = mprog.XDPAbsent
	xdpGeneric  = mprog.XDPGeneric
	xdpDriver   = mprog.XDPDriver
	xdpHardware = mprog.XDPHardware
	xdpReplace  = mprog.XDPReplace
	xdpModes    = xdpGeneric | xdpDriver | xdpHardware
	xdpAll      = xdpModes | xdpAbsent | xdpReplace
)

// Values of expected_attach_type of programs that no device takes.
const (
	forDevmap mprog.AttachType = 33 // BPF_XDP_DEVMAP
	forCPUmap mprog.AttachType = 35 // BPF_XDP_CPUMAP
)

// xdp is a device's XDP program.
type xdp struct {
	prog *program // nil: none
	link *link    // that attached it; nil: rtnetlink did
	mode mprog.Flags
}

// xdpChange is what is to become of it (dev_xdp_attach).
type xdpChange struct {
	link      *link
	prog, old *program // of rtnetlink: nil takes away, nil expects none
	flags     mprog.Flags
}

// xdpLink is bpf_xdp_link_attach.
func (p *Process) xdpLink(r *mprog.LinkCreateRequest, prog *program) (fd uint32, err error) {
	d := p.net.devices[r.TargetIfindex]
	if d == nil {
		return 0, refuse(xdpDeviceNone, "no device has ifindex %d", r.TargetIfindex)
	}
	l := p.newLink(prog, d, r.AttachType)
	if err := p.kernel.attachXDP(mprog.OpLinkCreate, d, xdpChange{link: l, flags: r.Flags}); err != nil {
		l.dev = nil
		l.put()
		return 0, err
	}
	l.settled = true
	p.passed(didLink, uint64(l.id), 0)
	return p.open(l), nil
}

// XDPSet changes a device's XDP program as rtnetlink does (IFLA_XDP of
// RTM_SETLINK). It fails with
//   - ENODEV when there is no device with the ifindex;
//   - EINVAL for unknown flags, two modes, or REPLACE without an expected program;
//   - EBADF or EINVAL when an fd is not an XDP program's;
//   - EBUSY when the program is a link's, or there is one and ABSENT is asked for;
//   - EEXIST when another program is expected, or there is one in the other mode;
//   - EOPNOTSUPP when the driver has no XDP.
func (p *Process) XDPSet(r mprog.XDPRequest) error {
	return do0(p, mprog.OpXDPSet, r, (*Process).xdpSet)
}

// xdpSet is do_setlink with dev_change_xdp_fd.
func (p *Process) xdpSet(r mprog.XDPRequest) (err error) {
	d := p.net.devices[r.Ifindex]
	if d == nil {
		return refuse(xdpNoDevice, "no device has ifindex %d", r.Ifindex)
	}
	c := xdpChange{flags: r.Flags}
	switch {
	case r.Flags&^xdpAll != 0:
		return refuse(xdpUnknownFlags, "flags %#x", uint32(r.Flags))
	case bits.OnesCount32(uint32(r.Flags&xdpModes)) > 1:
		return refuse(xdpTwoModes, "flags %#x", uint32(r.Flags))
	case r.Flags&xdpReplace != 0 && r.Expected == nil:
		return refuse(xdpNotExpected, "no program is expected")
	}
	if r.FD >= 0 {
		if c.prog, err = p.xdpByFD("IFLA_XDP_FD", r.FD); err != nil {
			return err
		}
	}
	if r.Flags&xdpReplace != 0 && *r.Expected >= 0 {
		if c.old, err = p.xdpByFD("IFLA_XDP_EXPECTED_FD", *r.Expected); err != nil {
			return err
		}
	}
	return p.kernel.attachXDP(mprog.OpXDPSet, d, c)
}

// xdpByFD is bpf_prog_get_type_dev.
func (p *Process) xdpByFD(what string, fd int32) (*program, error) {
	prog, err := p.progByFD(what, uint32(fd), progBadFD, progNotProg)
	if err == nil && prog.typ != mprog.XDP {
		err = refuse(xdpType, "program id %d has type %d", prog.id, prog.typ)
	}
	return prog, err
}

// XDP returns what is told of a device's XDP program.
func (p *Process) XDP(ifindex uint32) (x mprog.XDPInfo) {
	p.kernel.mu.Lock()
	defer p.kernel.mu.Unlock()
	if d := p.net.devices[ifindex]; d != nil && d.xdp.prog != nil {
		x = mprog.XDPInfo{ProgID: d.xdp.prog.id, Driver: d.xdp.mode == xdpDriver}
	}
	return x
}

// driverXDP reports whether the device's driver has XDP: netkit's has it, for other
// purposes, since there are single devices. Of some devices nothing is known.
func (k *Kernel) driverXDP(d *device) (has, known bool) {
	switch d.kind {
	case loopback, mprog.Dummy:
		return false, true
	case mprog.Netkit:
		return !k.missing[mprog.FeatureSingle], true
	case mprog.Veth:
		return true, true
	}
	return false, false
}

// attachXDP is dev_xdp_attach. The device has no upper one.
func (k *Kernel) attachXDP(op mprog.Op, d *device, c xdpChange) error {
	driver, known := k.driverXDP(d)
	switch modes := c.flags & xdpModes; {
	case c.link != nil && c.flags&^xdpModes != 0, bits.OnesCount32(uint32(modes)) > 1:
		return refuse(xdpFlags, "flags %s", c.flags)
	case !known && modes != xdpGeneric:
		return fmt.Errorf("%s: %w: XDP programs of the driver of %s", op, mprog.ErrUnsupported, d.name)
	}
	mode := c.flags & xdpModes
	switch {
	case mode == 0 && driver:
		mode = xdpDriver
	case mode == 0:
		mode = xdpGeneric
	}
	var current *program
	if d.xdp.mode == mode {
		current = d.xdp.prog
	}
	switch {
	case current != nil && d.xdp.link != nil:
		return refuse(xdpBusy, "link id %d is there", d.xdp.link.id)
	case c.link != nil && current != nil:
		return refuse(xdpBusyProgram, "program id %d is there", current.id)
	case c.flags&xdpReplace != 0 && current != c.old:
		return refuse(xdpNotCurrent, "another program is there")
	}
	prog := c.prog
	if c.link != nil {
		prog = c.link.prog
	}
	if prog != nil && c.flags&xdpAbsent != 0 && current != nil {
		return refuse(xdpThere, "program id %d is there", current.id)
	}
	if prog != current {
		if k.release.driverFirst && !driver && mode != xdpGeneric {
			return refuse(xdpNative, "the driver of %s has no XDP", d.name)
		}
		if err := d.takesXDP(prog, mode); err != nil {
			return err
		}
		if err := d.installXDP(mode, driver, prog != nil); err != nil {
			return err
		}
	}
	if d.xdp.mode == mode || prog != nil {
		if c.link == nil && prog != nil {
			prog.get()
		}
		d.dropXDP()
		if prog != nil {
			d.xdp = xdp{prog, c.link, mode}
		}
	}
	return nil
}

// takesXDP says whether the device takes a program, if there is one.
func (d *device) takesXDP(prog *program, mode mprog.Flags) error {
	switch {
	case prog == nil:
		return nil
	case mode != xdpHardware && d.xdp.prog != nil && d.xdp.mode != mode:
		return refuse(xdpOtherMode, "program id %d is there in the other mode", d.xdp.prog.id)
	case prog.expected == forDevmap:
		return refuse(xdpForDevmap, "program id %d", prog.id)
	case prog.expected == forCPUmap:
		return refuse(xdpForCPUmap, "program id %d", prog.id)
	}
	return nil
}

// installXDP is dev_xdp_install with the drivers' ndo_bpf.
func (d *device) installXDP(mode mprog.Flags, driver, attaches bool) error {
	switch {
	case mode == xdpGeneric:
		return nil
	case !driver:
		return refuse(xdpNative, "the driver of %s has no XDP", d.name)
	case mode == xdpHardware:
		return refuse(xdpNotOffloaded, "program for the device %s", d.name)
	case attaches && d.kind == mprog.Netkit:
		return refuse(xdpNetkit, "device %s", d.name)
	}
	return nil
}

// dropXDP takes the device's program away.
func (d *device) dropXDP() {
	switch {
	case d.xdp.link != nil:
		d.xdp.link.dev = nil
	case d.xdp.prog != nil:
		d.xdp.prog.put()
	}
	d.xdp = xdp{}
}

// updateXDP is what bpf_xdp_link_update checks besides what all links do.
func (l *link) updateXDP(prog *program) error {
	if prog.typ != l.prog.typ {
		return refuse(updateType, "program id %d has type %d, the link's %d", prog.id, prog.typ, l.prog.typ)
	}
	l.prog.put()
	l.prog = prog.get()
	l.dev.xdp.prog = prog
	return nil
}
