//go:build amd64 || arm64

package intercept

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/nkconform/nkconform/intercept/rtnl"
	"github.com/nkconform/nkconform/mprog"
)

// A tether takes what a device of the running kernel's sends, or receives, through its
// hooks here: the kernel redirects it to a TAP device, which the program is not told
// of, and what is written there goes on where it came from.

// tether is which device an end is tethered to, and for what.
type tether struct {
	index    uint32
	loopback bool
	side     rtnl.Side
	peer     uint32 // what the device is linked to
	idle     bool   // no program saw its packets when that was looked at last
	settings []sysctl
}

// tetherKey is a device.
type tetherKey struct {
	netns uint64
	index uint32
}

// tether tethers a device of a namespace that open opens, unless it is already. Where
// that cannot be, it is told, once.
func (w *wires) tether(netns uint64, index uint32, open func() (fd int, err error)) {
	key := tetherKey{netns, index}
	if w.tethers[key] != nil {
		return
	}
	w.tethers[key] = []*end{}
	if err := w.tie(key, open); err != nil {
		w.untie(key)
		w.tethers[key] = []*end{} // it is not tried again
		w.s.warn(fmt.Sprintf("of device %d, programs see only what is sent through packet sockets: %v", index, err))
		return
	}
	w.lookAfterTethers()
}

func (w *wires) tie(key tetherKey, open func() (int, error)) error {
	if w.s.rtnl.Lent(key.netns, key.index) {
		return errors.New("its qdisc has filters of the running kernel's")
	}
	if err := w.open(); err != nil {
		return err
	}
	fd, err := open()
	if err != nil {
		return fmt.Errorf("its network namespace: %w", err)
	}
	defer unix.Close(fd)
	if err := w.meetFD(fd); err != nil {
		return err
	}
	return within(fd, func() error {
		a, err := newAsker()
		if err != nil {
			return err
		}
		defer a.close()
		if key.index == loopbackIndex {
			return w.tieLoopback(key, a)
		}
		return w.tieDevice(key, a)
	})
}

// tieLoopback redirects what lo sends, which is what it receives.
func (w *wires) tieLoopback(key tetherKey, a *asker) error {
	e, err := w.tetherEnd(key, tether{index: key.index, loopback: true, side: rtnl.Egress}, a)
	if err != nil {
		return err
	}
	if e.tether.settings, err = routeBack(); err != nil {
		return err
	}
	return a.all(
		func(a rtnl.Ask) []byte { return a.AddClsact(e.index) },
		func(a rtnl.Ask) []byte { return a.Redirect(e.index, rtnl.Ingress, 1, key.index, rtnl.Ingress) },
		func(a rtnl.Ask) []byte { return a.AddClsact(key.index) },
		func(a rtnl.Ask) []byte { return a.Redirect(key.index, rtnl.Egress, 1, e.index, rtnl.Egress) },
	)
}

// tieDevice redirects what a device sends and what it receives, each to a TAP device
// of its own. What comes back is known by where it came in, or by whom it is for, and
// not redirected again.
func (w *wires) tieDevice(key tetherKey, a *asker) error {
	out, err := w.tetherEnd(key, tether{index: key.index, side: rtnl.Egress}, a)
	if err != nil {
		return err
	}
	in, err := w.tetherEnd(key, tether{index: key.index, side: rtnl.Ingress}, a)
	if err != nil {
		return err
	}
	own, err := hardwareAddress(key.index)
	if err != nil {
		return err
	}
	l, errno := a.link(func(a rtnl.Ask) []byte { return a.FindAt(key.index) })
	if errno != 0 {
		return errno
	}
	w.pump.mu.Lock() // the device is up, and may have sent something already
	in.own = own
	in.tether.peer, out.tether.peer = l.Peer, l.Peer
	w.pump.mu.Unlock()
	back := []rtnl.Match{
		{Offset: -14, Value: be32(in.mac[:4]), Mask: 0xffffffff},
		{Offset: -10, Value: uint32(in.mac[4])<<24 | uint32(in.mac[5])<<16, Mask: 0xffff0000},
	}
	return a.all(
		func(a rtnl.Ask) []byte { return a.AddClsact(out.index) },
		func(a rtnl.Ask) []byte { return a.Redirect(out.index, rtnl.Ingress, 1, key.index, rtnl.Egress) },
		func(a rtnl.Ask) []byte { return a.AddClsact(in.index) },
		func(a rtnl.Ask) []byte { return a.Redirect(in.index, rtnl.Ingress, 1, key.index, rtnl.Ingress) },
		func(a rtnl.Ask) []byte { return a.AddClsact(key.index) },
		func(a rtnl.Ask) []byte { return a.LetPass(key.index, rtnl.Egress, 1, nil, out.name) },
		func(a rtnl.Ask) []byte { return a.Redirect(key.index, rtnl.Egress, 2, out.index, rtnl.Egress) },
		func(a rtnl.Ask) []byte { return a.LetPass(key.index, rtnl.Ingress, 1, back, "") },
		func(a rtnl.Ask) []byte { return a.Redirect(key.index, rtnl.Ingress, 2, in.index, rtnl.Egress) },
	)
}

func be32(p []byte) uint32 {
	return uint32(p[0])<<24 | uint32(p[1])<<16 | uint32(p[2])<<8 | uint32(p[3])
}

// tetherEnd makes a TAP device that nobody is told of, and brings it up in the
// namespace of the current thread, which a is asked in.
func (w *wires) tetherEnd(key tetherKey, t tether, a *asker) (*end, error) {
	w.lastHidden++
	e := &end{
		name: fmt.Sprintf("nkconform%d", w.lastHidden), tether: &t, up: true, netns: key.netns, index: rtnl.FirstHidden + w.lastHidden,
	}
	where := &w.workshop
	if key.netns == w.s.home {
		where = &w.home
	}
	err := within(where.netns, func() (err error) {
		e.tap, err = openTap(e.name, e.index)
		return err
	})
	if err != nil {
		return nil, err
	}
	w.tethers[key] = append(w.tethers[key], e)
	attrs := append(append(rtnl.QueueLength(queueLength), rtnl.MTU(maxTapMTU)...), rtnl.Silent()...)
	if _, errno := where.ask(func(a rtnl.Ask) []byte { return a.Set(e.index, unix.IFF_NOARP, unix.IFF_NOARP, attrs) }); errno != 0 {
		return nil, fmt.Errorf("set up a TAP device: %w", errno)
	}
	if where == &w.workshop {
		if _, errno := where.ask(func(a rtnl.Ask) []byte { return a.Move(e.index, w.ids[key.netns], e.index) }); errno != 0 {
			return nil, fmt.Errorf("move a TAP device: %w", errno)
		}
	}
	if e.mac, err = e.tap.hardware(); err != nil {
		return nil, err
	}
	// It shall say nothing by itself. There may be no IPv6.
	_ = os.WriteFile("/proc/sys/net/ipv6/conf/"+e.name+"/disable_ipv6", []byte("1"), 0)
	if err := e.tap.carrier(true); err != nil {
		return nil, err
	}
	w.pump.add(e)
	if _, errno := a.ask(func(a rtnl.Ask) []byte { return a.Set(e.index, unix.IFF_UP, unix.IFF_UP, nil) }); errno != 0 {
		return nil, fmt.Errorf("bring a TAP device up: %w", errno)
	}
	_, errno := a.link(func(a rtnl.Ask) []byte { return a.FindHere(e.name) })
	if errno != 0 {
		return nil, errno
	}
	return e, nil
}

// maxTapMTU is the most that a TAP device takes.
const maxTapMTU = 65521

// loosen undoes the tether of a device that is gone, or has gone to another
// namespace.
func (w *wires) loosen(netns uint64, l rtnl.Link) {
	key := tetherKey{netns, l.Index}
	if w.tethers[key] == nil {
		return
	}
	w.untie(key)
	if l.Moved {
		w.s.warn(fmt.Sprintf("device %s has moved: of it, programs see only what is sent through packet sockets", l.Name))
	}
}

// untie takes the TAP devices of a tether away. What redirects to them goes with them.
func (w *wires) untie(key tetherKey) {
	for _, e := range w.tethers[key] {
		w.pump.remove(e)
		go e.tap.close() // for which nobody waits
	}
	delete(w.tethers, key)
}

// all makes requests until one is refused.
func (a *asker) all(requests ...func(rtnl.Ask) []byte) error {
	for _, request := range requests {
		if _, errno := a.ask(request); errno != 0 {
			return fmt.Errorf("redirect packets (it takes cls_u32, act_mirred and sch_ingress): %w", errno)
		}
	}
	return nil
}

// hardwareAddress is that of a device in the current thread's network namespace.
func hardwareAddress(index uint32) (a [6]byte, err error) {
	name, err := deviceName(index)
	if err != nil {
		return a, err
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return a, fmt.Errorf("socket: %w", err)
	}
	defer unix.Close(fd)
	i := &deviceIoctl{number: unix.SIOCGIFHWADDR}
	copy(i.request[:ifreqName-1], name)
	if errno := i.perform(fd); errno != 0 {
		return a, errno
	}
	copy(a[:], i.value()[2:])
	return a, nil
}

// tethered takes a frame that a device of the running kernel's has sent or received
// through its hooks.
func (p *pump) tethered(e *end, j *journey) {
	t := e.tether
	j.On(t.index)
	if t.side == rtnl.Egress {
		made := p.passAt(e, t.index, mprog.TCXEgress, j)
		if !made.Passes {
			p.divert(e, e, &made, j)
			return
		}
	}
	if t.loopback || t.side == rtnl.Ingress {
		p.received(e, j)
		return
	}
	p.giveBack(e, j)
}

// received takes a frame through the hooks of what a device of the running kernel's
// receives.
func (p *pump) received(e *end, j *journey) {
	t := e.tether
	j.Reached(t.index, e.kind(j.Data))
	j.Received(t.index)
	switch p.xdp(e, t.index, j) {
	case xdpGoesOn:
	case xdpTransmits:
		p.sendBy(outlet{e, t.index, true}, j)
		return
	default:
		return
	}
	made := p.passAt(e, t.index, mprog.TCXIngress, j)
	if !made.Passes {
		if made.Verdict == actRedirect {
			p.divert(e, e, &made, j)
		}
		return
	}
	p.giveBack(e, j)
}

// giveBack writes a frame to a tether's TAP device.
func (p *pump) giveBack(e *end, j *journey) {
	t := e.tether
	kind := e.kind(j.Data)
	if len(j.Data) < linkHeader || t.side == rtnl.Ingress && kind == unix.PACKET_OTHERHOST {
		return
	}
	if t.loopback && kind == unix.PACKET_HOST || t.side == rtnl.Ingress {
		copy(j.Data, e.mac[:]) // else it is another host's, or redirected once more
	}
	p.write(e, j)
}
