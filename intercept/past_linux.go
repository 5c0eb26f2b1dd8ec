//go:build amd64 || arm64

package intercept

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nkconform/nkconform/intercept/machine"
	"github.com/nkconform/nkconform/intercept/rtnl"
)

// Devices of the running kernel's are sent by through packet sockets in their
// namespaces, which takes a packet through the devices' own hooks, or past them.

// outlet is a device in a namespace that an end is in.
type outlet struct {
	at    *end
	index uint32
	past  bool // the device's hooks and queue (generic_xdp_tx)
}

// sendBy has a packet sent by a device.
func (p *pump) sendBy(o outlet, j *journey) {
	if j.redirects++; j.redirects > maxRedirects {
		p.s.warn(fmt.Sprintf("a packet that programs have sent on %d times, as they would for ever, is dropped", maxRedirects))
		return
	}
	to := p.find(o.at.netns, o.index)
	switch lo := p.tetherOf(o.at.netns, o.index, rtnl.Egress); {
	case to != nil && !to.up:
	case to != nil && o.past:
		p.xmit(to, j)
	case to != nil:
		j.On(to.index)
		p.queue(to, j)
	case o.past && lo != nil && lo.tether.loopback:
		p.received(lo, j)
	default:
		if err := p.sendFrame(o, j); err != nil {
			p.s.warn(fmt.Sprintf("a packet that a program redirects to device %d is dropped: %v", o.index, err))
		}
	}
}

// tetherOf is the end that a device of the running kernel's is tethered to, nil if it
// is not.
func (p *pump) tetherOf(netns uint64, index uint32, side rtnl.Side) *end {
	for _, e := range p.ends {
		if t := e.tether; t != nil && e.netns == netns && t.index == index && t.side == side {
			return e
		}
	}
	return nil
}

// Options of packet sockets (include/uapi/linux/if_packet.h).
const (
	packetVnetHeader = 15 // PACKET_VNET_HDR
	packetPast       = 20 // PACKET_QDISC_BYPASS
)

// sendFrame sends by a device of the running kernel's.
func (p *pump) sendFrame(o outlet, j *journey) error {
	if len(j.Data) < linkHeader {
		return unix.EINVAL
	}
	if j.mend() {
		p.warnWhole()
	}
	fd, err := p.senderIn(o)
	if err != nil {
		return err
	}
	to := &unix.SockaddrLinklayer{Ifindex: int(o.index), Protocol: swapped(j.Protocol())}
	_, err = unix.SendmsgBuffers(fd, [][]byte{j.vnet, j.Data}, nil, to, 0)
	switch err {
	case unix.ENETDOWN, unix.ENOBUFS, unix.EAGAIN, unix.EMSGSIZE, unix.ENXIO: // a kernel drops such a packet, too
		return nil
	}
	return err
}

// sendsIn is where a packet socket sends.
type sendsIn struct {
	netns uint64
	past  bool
}

// senderLife is for how long a packet socket stays open, which keeps its namespace as long.
const senderLife = 100 * time.Millisecond

// senderIn returns a packet socket in the namespace of an outlet, which closes soon.
func (p *pump) senderIn(o outlet) (fd int, err error) {
	at := sendsIn{o.at.netns, o.past}
	if fd, open := p.senders[at]; open {
		return fd, nil
	}
	where, ok := o.at.outside.(around)
	if !ok {
		return -1, unix.EINVAL
	}
	err = where.enter(func() (err error) {
		fd, err = openSender(o.past)
		return err
	})
	if err != nil {
		return -1, err
	}
	p.senders[at] = fd
	time.AfterFunc(senderLife, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.senders, at)
		unix.Close(fd)
	})
	return fd, nil
}

// openSender opens a packet socket in the current thread's network namespace.
func openSender(past bool) (fd int, err error) {
	if fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0); err != nil {
		return -1, fmt.Errorf("socket: %w", err)
	}
	err = unix.SetsockoptInt(fd, unix.SOL_PACKET, packetVnetHeader, 1)
	if err == nil && past {
		err = unix.SetsockoptInt(fd, unix.SOL_PACKET, packetPast, 1)
	}
	if err != nil {
		return -1, errors.Join(fmt.Errorf("socket: %w", err), unix.Close(fd))
	}
	return fd, nil
}

// takesFromDriver reports whether what the driver of a tethered veth device sends by
// itself is taken: its peer must have XDP in the driver, too (veth_xdp_xmit; also GRO
// would do).
func (p *pump) takesFromDriver(e *end) bool {
	return e != nil && e.tether != nil && !e.tether.loopback && p.s.at(e.netns).DriverXDP(e.tether.peer)
}

// redirectXDP sends a packet to where an XDP program wants it, past the devices' hooks
// (xdp_do_generic_redirect). What a driver redirects goes to such devices only as have
// the like (xdp_do_redirect). A program that the map has for a device must let it pass.
func (p *pump) redirectXDP(e *end, index uint32, inDriver bool, j *journey) {
	r := j.Redirect
	list := r.Several
	if !r.Broadcast {
		list = []machine.Outlet{{Ifindex: r.Ifindex, Program: r.Program}}
	}
	for _, to := range list {
		if r.Broadcast && r.Exclude && to.Ifindex == index {
			continue
		}
		if inDriver && !p.takesFromDriver(p.tetherOf(e.netns, to.Ifindex, rtnl.Egress)) {
			continue
		}
		copied := j.again(index)
		copied.Outside, copied.Egress = j.Outside, to.Ifindex
		if to.Program == 0 || p.s.at(e.netns).RunXDP(to.Program, copied.Packet) == actXDPPass {
			p.sendBy(outlet{e, to.Ifindex, true}, copied.again(index))
		}
	}
}

// atCPU has the program that a map of CPUs has for one see a packet, and reports whether it
// goes on (cpu_map_bpf_prog_run_skb). All CPUs are one here.
func (p *pump) atCPU(e *end, index uint32, inDriver bool, j *journey) (passes bool) {
	id := j.Redirect.Program
	if id == 0 {
		return true
	}
	j.Redirect = machine.Redirect{}
	switch p.s.at(e.netns).RunXDP(id, j.Packet) {
	case actXDPPass:
		return true
	case actXDPRedirect:
		if j.Redirect.CPU {
			p.s.warn("a packet that a program of a map of CPUs sends to a CPU is dropped, which is not simulated")
			return false
		}
		p.redirectXDP(e, index, inDriver, j)
	}
	return false
}
