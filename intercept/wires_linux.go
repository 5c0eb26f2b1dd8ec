//go:build amd64 || arm64

package intercept

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nkconform/nkconform/intercept/rtnl"
	"github.com/nkconform/nkconform/mprog"
)

// wires make TAP devices of the running kernel that stand for netkit devices, and
// follow what becomes of them. What is in the program's first namespace is made
// there, which lasts as long as the program anyway. What is in another one is made
// in a namespace that nobody else knows, and moved: the fd of a TAP device keeps
// the namespace alive in which it was opened.
//
// Nothing is opened before there is a netkit device. The supervisor's lock is held
// whenever a method is called.
type wires struct {
	s        *supervisor
	pump     *pump
	home     place
	workshop place  // the namespace that nobody else knows
	monitor  *asker // there, tells of links in all namespaces that have an id there
	opened   bool
	unable   error // why there can be none

	ids     map[uint64]uint32 // namespaces' ids in the workshop, by inode
	inodes  map[uint32]uint64
	lastID  uint32
	highest map[uint64]uint32    // ifindex that a namespace has seen
	nsids   map[[2]uint64]uint32 // of one namespace in another
	ends    map[*rtnl.Device]*end

	tethers    map[tetherKey][]*end
	looks      *time.Timer // for tethers that are not needed any more
	lastHidden uint32
}

// place is a network namespace, and a way to ask about it.
type place struct {
	netns int
	*asker
}

var _ rtnl.Wires = (*wires)(nil)

func newWires(s *supervisor) *wires {
	return &wires{
		s: s, ids: make(map[uint64]uint32), inodes: make(map[uint32]uint64), highest: make(map[uint64]uint32),
		nsids: make(map[[2]uint64]uint32), ends: make(map[*rtnl.Device]*end), tethers: make(map[tetherKey][]*end), pump: newPump(s),
	}
}

// open opens what all wires need, once.
func (w *wires) open() error {
	if w.opened || w.unable != nil {
		return w.unable
	}
	w.opened = true
	if w.unable = w.openAll(); w.unable != nil {
		w.close()
	}
	return w.unable
}

func (w *wires) openAll() (err error) {
	if !w.s.private {
		return errors.New("the program has no network namespace of its own")
	}
	if err := unix.Access(tunFile, unix.R_OK|unix.W_OK); err != nil {
		return fmt.Errorf("%s: %w", tunFile, err)
	}
	if w.workshop.netns, err = newNetns(); err != nil {
		return err
	}
	err = within(w.workshop.netns, func() (err error) {
		if w.workshop.asker, err = newAsker(); err == nil {
			w.monitor, err = newAsker(linkGroup, nsidGroup)
		}
		return err
	})
	if err != nil {
		return err
	}
	if err := unix.SetsockoptInt(w.monitor.fd, unix.SOL_NETLINK, unix.NETLINK_LISTEN_ALL_NSID, 1); err != nil {
		return fmt.Errorf("listen to all network namespaces: %w", err)
	}
	w.home.netns = w.s.homeFD
	err = within(w.home.netns, func() (err error) {
		w.home.asker, err = newAsker()
		return err
	})
	if err == nil {
		err = w.meetFD(w.home.netns)
	}
	if err == nil {
		err = w.pump.start()
	}
	if err == nil {
		err = w.s.files.await(w.s.files.sockets, w.monitor.fd)
	}
	return err
}

// Multicast groups of rtnetlink (include/uapi/linux/rtnetlink.h).
const (
	linkGroup = 1  // RTNLGRP_LINK
	nsidGroup = 28 // RTNLGRP_NSID
)

// close takes every device away.
func (w *wires) close() {
	w.pump.stop()
	w.deleteAtOnce()
	for _, e := range w.ends {
		e.tap.close()
	}
	for _, list := range w.tethers {
		for _, e := range list {
			e.tap.close()
		}
	}
	for _, a := range []*asker{w.workshop.asker, w.monitor, w.home.asker} {
		if a != nil {
			a.close()
		}
	}
	if w.workshop.netns > 0 {
		unix.Close(w.workshop.netns)
	}
}

// deleteAtOnce deletes the TAP devices of each namespace together, by a group that
// they are put into: to close one takes the kernel as long as to delete them all.
func (w *wires) deleteAtOnce() {
	const group = 0x6e6b636f
	in := make(map[uint64][]*end)
	for _, e := range w.ends {
		in[e.netns] = append(in[e.netns], e)
	}
	for _, list := range in {
		w.inside(list[0], func(a *asker) {
			for _, e := range list {
				_, _ = a.ask(func(a rtnl.Ask) []byte { return a.Set(e.index, 0, 0, rtnl.Group(group)) })
			}
			_, _ = a.ask(func(a rtnl.Ask) []byte { return a.DeleteGroup(group) }) // else they go one by one
		})
	}
}

// meetFD gives a namespace an id, by which it is asked about and heard of.
func (w *wires) meetFD(netns int) error {
	inode, err := inodeOf(netns)
	if err != nil {
		return err
	}
	if _, known := w.ids[inode]; known {
		return nil
	}
	w.lastID++
	if _, errno := w.workshop.ask(func(a rtnl.Ask) []byte { return a.NameNamespace(netns, w.lastID) }); errno != 0 {
		return fmt.Errorf("name a network namespace: %w", errno)
	}
	w.ids[inode], w.inodes[w.lastID] = w.lastID, inode
	return nil
}

// meet is meetFD for the namespace that a path names.
func (w *wires) meet(path string) {
	if w.open() != nil {
		return
	}
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return // it cannot be moved to either
	}
	defer unix.Close(fd)
	_ = w.meetFD(fd) // likewise
}

// forget says that a namespace has ended.
func (w *wires) forget(id uint32) {
	inode, known := w.inodes[id]
	if !known {
		return
	}
	delete(w.inodes, id)
	delete(w.ids, inode)
	delete(w.highest, inode)
	for pair := range w.nsids {
		if pair[0] == inode || pair[1] == inode {
			delete(w.nsids, pair)
		}
	}
	for key := range w.tethers {
		if key.netns == inode {
			w.untie(key)
		}
	}
	w.s.forgetNetns(inode)
}

// Make makes TAP devices for the ends of a pair.
func (w *wires) Make(d rtnl.Wish, peer *rtnl.Wish) (possible bool, errno mprog.Errno) {
	if err := w.open(); err != nil {
		w.s.warn(fmt.Sprintf("netkit devices have no addresses and carry no packets here: %v%s", err, seeDoctor))
		return false, 0
	}
	list := []rtnl.Wish{d}
	if peer != nil {
		list = []rtnl.Wish{*peer, d}
	}
	var made []*end
	for _, wish := range list {
		e, errno := w.end(wish)
		if errno != 0 {
			for _, other := range made {
				other.tap.close()
			}
			return true, errno
		}
		made = append(made, e)
	}
	if peer == nil {
		w.carry(made[0])
	} else {
		made[0].peer, made[1].peer = made[1], made[0]
	}
	for _, e := range made {
		w.ends[e.device] = e
		w.pump.add(e)
	}
	return true, 0
}

// end makes one TAP device.
func (w *wires) end(wish rtnl.Wish) (*end, mprog.Errno) {
	id, ok := w.namespaceOf(wish.Netns)
	if !ok {
		return nil, mprog.EINVAL
	}
	where, index, name := &w.workshop, uint32(0), wish.Name
	if wish.Netns == w.s.home {
		where, index = &w.home, wish.Index
	}
	if where == &w.workshop || !strings.Contains(name, "%") { // else the kernel finds one
		var errno mprog.Errno
		if name, errno = w.freeName(id, name); errno != 0 {
			return nil, errno
		}
	}
	e := &end{device: wish.Device, netns: wish.Netns, layer3: wish.Layer3(), policy: wish.Policy(), scrub: wish.Scrubs(), room: wish.Room()}
	err := within(where.netns, func() (err error) {
		if e.tap, err = openTap(name, index); err != nil {
			return err
		}
		if name, err = e.tap.name(); err != nil {
			e.tap.close()
			return err
		}
		_ = withoutSpeed(name) // else bridges alone reckon otherwise
		return nil
	})
	if err != nil {
		return nil, errnoIn(err)
	}
	if errno := w.furnish(e, where, name, wish); errno != 0 {
		e.tap.close()
		return nil, errno
	}
	e.name = name
	wish.Name, wish.Index = name, e.index
	return e, 0
}

// furnish gives a new TAP device its attributes, and brings it where it belongs.
func (w *wires) furnish(e *end, where *place, name string, wish rtnl.Wish) mprog.Errno {
	l, errno := where.link(func(a rtnl.Ask) []byte { return a.FindHere(name) })
	if errno != 0 {
		return errno
	}
	e.index = l.Index
	flags := uint32(0)
	if e.layer3 {
		flags = unix.IFF_NOARP
	}
	_, errno = where.ask(func(a rtnl.Ask) []byte {
		return a.Set(l.Index, flags, flags, append(rtnl.QueueLength(queueLength), wish.Attributes...))
	})
	if errno == 0 && where == &w.workshop {
		errno = w.deliver(e, wish)
	}
	if errno != 0 {
		return errno
	}
	var err error
	if e.mac, err = e.tap.hardware(); err != nil {
		return errnoIn(err)
	}
	return 0
}

// queueLength is what devices have by default (DEFAULT_TX_QUEUE_LEN).
const queueLength = 1000

// deliver moves a device from the workshop to its namespace, where it gets the
// next ifindex, unless another one is wished for.
func (w *wires) deliver(e *end, wish rtnl.Wish) mprog.Errno {
	id := w.ids[wish.Netns]
	index := wish.Index
	if index == 0 {
		if _, known := w.highest[wish.Netns]; !known {
			w.names(id, wish.Netns)
		}
		index = w.highest[wish.Netns] + 1
	}
	for {
		_, errno := w.workshop.ask(func(a rtnl.Ask) []byte { return a.Move(e.index, id, index) })
		if errno == mprog.EBUSY && wish.Index == 0 {
			index++
			continue
		}
		if errno != 0 {
			return errno
		}
		e.index = index
		w.highest[wish.Netns] = max(w.highest[wish.Netns], index)
		return 0
	}
}

// namespaceOf returns the id of the namespace with an inode.
func (w *wires) namespaceOf(inode uint64) (id uint32, known bool) {
	if id, known = w.ids[inode]; known {
		return id, true
	}
	fd, err := w.s.openNetnsOf(inode)
	if err != nil {
		return 0, false
	}
	defer unix.Close(fd)
	if w.meetFD(fd) != nil {
		return 0, false
	}
	id, known = w.ids[inode]
	return id, known
}

// names lists how the devices of a namespace are called.
func (w *wires) names(id uint32, netns uint64) map[string]bool {
	names := make(map[string]bool)
	datagrams, _ := w.workshop.ask(func(a rtnl.Ask) []byte { return a.List(id) })
	for _, p := range datagrams {
		for _, l := range rtnl.Links(p) {
			names[l.Name] = true
			if l.Index >= rtnl.FirstHidden {
				continue
			}
			w.highest[netns] = max(w.highest[netns], l.Index)
		}
	}
	return names
}

// freeName checks that nobody has a name, and fills in a template's number.
func (w *wires) freeName(id uint32, name string) (string, mprog.Errno) {
	if !strings.Contains(name, "%") {
		_, errno := w.workshop.link(func(a rtnl.Ask) []byte { return a.Find(id, name) })
		if errno == 0 {
			return "", mprog.EEXIST
		}
		return name, 0
	}
	before, after, ok := strings.Cut(name, "%d")
	if !ok || strings.Contains(before+after, "%") {
		return "", mprog.EINVAL
	}
	names := w.names(id, w.inodes[id])
	for i := 0; ; i++ {
		if name := fmt.Sprintf("%s%d%s", before, i, after); !names[name] {
			return name, 0
		}
	}
}

// errnoIn returns the errno in an error.
func errnoIn(err error) mprog.Errno {
	var errno unix.Errno
	if errors.As(err, &errno) {
		return mprog.Errno(errno)
	}
	return mprog.EIO
}
