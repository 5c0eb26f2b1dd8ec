//go:build amd64 || arm64

package intercept

import (
	"slices"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/nkconform/nkconform/intercept/rtnl"
)

// review follows what has become of TAP devices, and namespaces, since.
func (w *wires) review() {
	if !w.opened || w.unable != nil {
		return
	}
	for {
		p, id, err := w.monitor.receive()
		switch {
		case err == unix.ENOBUFS: // too much at once
			for _, e := range w.ends {
				w.locate(e)
			}
			continue
		case err != nil:
			w.reap()
			return
		}
		if id < 0 {
			for _, gone := range rtnl.GoneNamespaces(p) {
				w.forget(gone)
			}
			continue
		}
		netns, known := w.inodes[uint32(id)]
		if !known {
			continue
		}
		for _, l := range rtnl.Links(p) {
			w.heard(netns, l)
		}
	}
}

// listensAt reports whether an fd is that of the socket that tells of links.
func (w *wires) listensAt(fd int32) bool { return w.monitor != nil && int32(w.monitor.fd) == fd }

// heard follows what the running kernel tells of a link.
func (w *wires) heard(netns uint64, l rtnl.Link) {
	if l.Index >= rtnl.FirstHidden {
		return
	}
	if l.Gone {
		w.loosen(netns, l)
	} else {
		if _, known := w.highest[netns]; known {
			w.highest[netns] = max(w.highest[netns], l.Index)
		}
	}
	d := w.s.rtnl.ByIndex(netns, l.Index)
	e := w.ends[d]
	switch {
	case e != nil && l.Gone && l.Moved:
		w.locate(e)
	case e != nil && !l.Gone:
		w.follow(e, netns, l)
	case d == nil && l.Gone && !l.Moved:
		w.s.at(netns).Unmirror(netns, l.Index)
	}
}

// follow says where a device is, and how.
func (w *wires) follow(e *end, netns uint64, l rtnl.Link) {
	w.s.rtnl.Follow(e.device, netns, l)
	up := l.Flags&unix.IFF_UP != 0
	w.pump.change(func() { e.name, e.netns, e.index, e.up = e.device.Name, netns, l.Index, up })
	w.carry(e)
}

// locate asks where a device is now.
func (w *wires) locate(e *end) {
	fd, err := e.tap.netns()
	if err != nil {
		return // gone, of which the pump tells
	}
	defer unix.Close(fd)
	netns, err := inodeOf(fd)
	if err != nil || w.meetFD(fd) != nil {
		return
	}
	name, err := e.tap.name()
	if err != nil {
		return
	}
	if l, errno := w.workshop.link(func(a rtnl.Ask) []byte { return a.Find(w.ids[netns], name) }); errno == 0 {
		w.follow(e, netns, l)
	}
}

// carry gives the ends of a pair a carrier when both are up, and takes it when one
// is not (netkit_open, netkit_close). One without a peer always has one.
func (w *wires) carry(e *end) {
	if e.peer == nil {
		w.setCarrier(e, true)
		return
	}
	on := e.up && e.peer.up
	w.setCarrier(e, on)
	w.setCarrier(e.peer, on)
}

func (w *wires) setCarrier(e *end, on bool) {
	if e.carrier == on || e.tap.carrier(on) != nil {
		return
	}
	e.carrier = on
	if id, known := w.ids[e.netns]; known && e.up {
		// Asked for the device, the kernel does at once what it otherwise does a
		// little later: begin to send.
		_, _ = w.workshop.link(func(a rtnl.Ask) []byte { return a.Find(id, e.device.Name) })
	}
}

// Raise gives a device that is about to come up its carrier, so that it can send
// when it is.
func (w *wires) Raise(d *rtnl.Device) {
	if e := w.ends[d]; e != nil && !e.up && e.peer != nil && e.peer.up {
		w.setCarrier(e, true)
	}
}

// SetFlags changes a device's flags.
func (w *wires) SetFlags(d *rtnl.Device, flags, change uint32) {
	e := w.ends[d]
	if e == nil {
		return
	}
	if flags&change&unix.IFF_UP != 0 {
		w.Raise(d)
	}
	w.inside(e, func(a *asker) {
		_, _ = a.ask(func(a rtnl.Ask) []byte { return a.Set(e.index, flags, change, nil) })
	})
	w.review()
}

// inside calls with a way to ask in the namespace that a device is in.
func (w *wires) inside(e *end, f func(*asker)) {
	if e.netns == w.s.home {
		f(w.home.asker)
		return
	}
	fd, err := e.tap.netns()
	if err != nil {
		return
	}
	defer unix.Close(fd)
	_ = within(fd, func() error {
		a, err := newAsker()
		if err == nil {
			f(a)
			a.close()
		}
		return err
	})
}

// Changed takes over what packets meet on their way.
func (w *wires) Changed(d *rtnl.Device) {
	for _, d := range []*rtnl.Device{d, d.Peer()} {
		if e := w.ends[d]; d != nil && e != nil {
			w.pump.change(func() { e.policy, e.scrub, e.room = d.Policy(), d.Scrubs(), d.Room() })
		}
	}
}

// Counts is what a device has sent and received.
func (w *wires) Counts(d *rtnl.Device) (counts rtnl.Counts) {
	if e := w.ends[d]; e != nil {
		w.pump.change(func() { counts = e.counts })
	}
	return counts
}

// NamespaceID is the id that the peer's namespace has in the device's, which it
// gets now if it has none, as on a kernel that tells of it.
func (w *wires) NamespaceID(d *rtnl.Device) (id uint32, ok bool) {
	e := w.ends[d]
	if e == nil || e.peer == nil {
		return 0, false
	}
	key := [2]uint64{e.netns, e.peer.netns}
	if id, ok = w.nsids[key]; ok {
		return id, true
	}
	fd, err := e.peer.tap.netns()
	if err != nil {
		return 0, false
	}
	defer unix.Close(fd)
	w.inside(e, func(a *asker) {
		for _, build := range []func(rtnl.Ask) []byte{
			func(a rtnl.Ask) []byte { return a.NamespaceID(fd) },
			func(a rtnl.Ask) []byte { return a.NameNamespaceAny(fd) },
			func(a rtnl.Ask) []byte { return a.NamespaceID(fd) },
		} {
			datagrams, _ := a.ask(build)
			for _, p := range datagrams {
				if id, ok = rtnl.NSID(p); ok {
					w.nsids[key] = id
					return
				}
			}
		}
	})
	return id, ok
}

// Delete takes TAP devices away, and has programs told so. The kernel waits for each
// of them, so they go at the same time.
func (w *wires) Delete(pair ...*rtnl.Device) {
	var closing sync.WaitGroup
	for _, d := range pair {
		if e := w.ends[d]; e != nil {
			delete(w.ends, d)
			w.pump.remove(e)
			closing.Go(e.tap.close)
		}
	}
	closing.Wait()
	for _, d := range pair {
		w.s.relay(d.Netns)
	}
}

// flush handles the frames that have been sent until now.
func (w *wires) flush() {
	if w.busy() {
		w.pump.flush()
		w.reap()
	}
}

// busy reports whether there is anything that frames go through.
func (w *wires) busy() bool { return len(w.ends)+len(w.tethers) > 0 }

// reap deletes the pairs of which an end is gone.
func (w *wires) reap() {
	for _, e := range w.pump.gone() {
		w.pump.remove(e)
		if e.tether != nil { // with its namespace
			if key := (tetherKey{e.netns, e.tether.index}); slices.Contains(w.tethers[key], e) {
				w.untie(key)
			}
		}
		if w.ends[e.device] == e {
			w.s.relay(e.netns)
			w.s.rtnl.Delete(e.device)
		}
	}
}
