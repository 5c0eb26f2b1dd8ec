package fake

import (
	"maps"

	"github.com/nkconform/nkconform/mprog"
)

// Checkpoint is the state of a machine at one time, to go back to. The zero value is
// ready for [Kernel.Save], and can be used again, which spares its memory.
type Checkpoint struct {
	namespaces []netnsSave
	devices    []deviceSave
	progs      []progSave
	links      []linkSave
	processes  []processSave
	files      []fdFile
	pins       []pinSave
	names      names

	children               int
	lastProgID, lastLinkID uint32
}

// The parts of a checkpoint are what was there, and its value then. Whatever is made
// later is forgotten by going back.
type (
	netnsSave struct {
		net         *netns
		lastIfindex uint32
		devices     int // of Checkpoint.devices, in order
	}
	deviceSave struct {
		device *device
		value  device
	}
	progSave struct {
		prog  *program
		value program
	}
	linkSave struct {
		link  *link
		value link
	}
	processSave struct {
		process *Process
		exited  bool
		lastFD  uint32
		ids     ownIDs
		files   int // of Checkpoint.files, in order
	}
	fdFile struct {
		fd   uint32
		file file
	}
	pinSave struct {
		path string
		file file
	}
)

// Save notes the state of the machine: processes, devices, hooks, objects, pins. Who
// watches the calls or interferes with them is no part of it, nor what is recorded.
func (k *Kernel) Save(c *Checkpoint) {
	k = k.kernel
	k.mu.Lock()
	defer k.mu.Unlock()
	c.children, c.lastProgID, c.lastLinkID = len(k.children), k.lastProgID, k.lastLinkID
	c.namespaces, c.devices = c.namespaces[:0], c.devices[:0]
	for _, n := range k.namespaces {
		c.namespaces = append(c.namespaces, netnsSave{n, n.lastIfindex, len(n.devices)})
		for _, d := range n.devices {
			c.devices = append(c.devices, deviceSave{device: d, value: *d})
			saved := &c.devices[len(c.devices)-1].value
			saved.qdisc = d.qdisc.clone()
		}
	}
	c.progs, c.links = c.progs[:0], c.links[:0]
	for _, p := range k.progs {
		c.progs = append(c.progs, progSave{p, *p})
	}
	for _, l := range k.links {
		c.links = append(c.links, linkSave{l, *l})
	}
	c.processes, c.files = c.processes[:0], c.files[:0]
	c.saveProcess(k.Process)
	for _, p := range k.children {
		c.saveProcess(p)
	}
	c.pins = c.pins[:0]
	for path, f := range k.fs.pins {
		c.pins = append(c.pins, pinSave{path, f})
	}
	c.names = maps.Clone(k.names)
}

func (c *Checkpoint) saveProcess(p *Process) {
	c.processes = append(c.processes, processSave{p, p.exited, p.lastFD, p.ids, len(p.files)})
	for fd, f := range p.files {
		c.files = append(c.files, fdFile{fd, f})
	}
}

// Restore goes back to a state that the same machine was in when it was saved.
// Processes that have been started since answer as if they had exited.
func (k *Kernel) Restore(c *Checkpoint) {
	k = k.kernel
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, p := range k.children[c.children:] {
		p.exited = true
	}
	clear(k.children[c.children:])
	k.children = k.children[:c.children]
	k.lastProgID, k.lastLinkID = c.lastProgID, c.lastLinkID
	clear(k.namespaces[len(c.namespaces):])
	k.namespaces = k.namespaces[:len(c.namespaces)]
	devices := c.devices
	for _, n := range c.namespaces {
		n.net.lastIfindex = n.lastIfindex
		clear(n.net.devices)
		for i := range devices[:n.devices] {
			d := &devices[i]
			*d.device = d.value
			d.device.qdisc = d.value.qdisc.clone()
			n.net.devices[d.value.ifindex] = d.device
		}
		devices = devices[n.devices:]
	}
	clear(k.progs)
	for i := range c.progs {
		p := &c.progs[i]
		*p.prog = p.value
		k.progs[p.value.id] = p.prog
	}
	clear(k.links)
	for i := range c.links {
		l := &c.links[i]
		*l.link = l.value
		k.links[l.value.id] = l.link
	}
	files := c.files
	for _, s := range c.processes {
		p := s.process
		p.exited, p.lastFD, p.ids = s.exited, s.lastFD, s.ids
		clear(p.files)
		for _, f := range files[:s.files] {
			p.files[f.fd] = f.file
		}
		files = files[s.files:]
	}
	clear(k.fs.pins)
	for _, p := range c.pins {
		k.fs.pins[p.path] = p.file
	}
	k.names = maps.Clone(c.names)
}

// clone copies a qdisc with its filters, which do not change themselves.
func (q *qdisc) clone() *qdisc {
	if q == nil {
		return nil
	}
	copied := &qdisc{kind: q.kind}
	copied.blocks[0] = q.blocks[0].clone()
	if copied.blocks[1] = copied.blocks[0]; q.blocks[1] != q.blocks[0] {
		copied.blocks[1] = q.blocks[1].clone()
	}
	return copied
}

func (b *block) clone() *block {
	copied := &block{parent: b.parent}
	for _, c := range b.chains {
		into := &chain{index: c.index, stays: c.stays}
		for _, pr := range c.priorities {
			into.priorities = append(into.priorities, &priority{pr.number, pr.protocol, append([]*filter(nil), pr.filters...)})
		}
		copied.chains = append(copied.chains, into)
	}
	return copied
}

// Entries returns what a hook of the first process's network namespace runs, in order,
// and its revision; false where there is no such hook.
func (k *Kernel) Entries(ifindex uint32, at mprog.AttachType) (list []EntryShot, revision uint64, ok bool) {
	k = k.kernel
	k.mu.Lock()
	defer k.mu.Unlock()
	d := k.namespaces[0].devices[ifindex]
	if d == nil || k.hooks(at) != built || at.Netkit() && (d.kind != mprog.Netkit || !d.primary || d.single) {
		return nil, 0, false
	}
	if at == mprog.NetkitPeer {
		d = d.peer
	}
	h := d.entry(at, false)
	if h == nil {
		return nil, 1, true
	}
	for _, e := range h.entries[:h.count] {
		list = append(list, EntryShot{e.prog.id, e.link.idOr0(), e.prog.ret})
	}
	return list, h.revision, true
}

// ProgName returns the name of a program, as it was loaded; "" when none has the id.
func (k *Kernel) ProgName(id uint32) string {
	k = k.kernel
	k.mu.Lock()
	defer k.mu.Unlock()
	if p := k.progs[id]; p != nil {
		return p.name
	}
	return ""
}

// DeviceNamed returns the ifindex of a device of the first process's network
// namespace, 0 when there is none of that name.
func (k *Kernel) DeviceNamed(name string) uint32 {
	k = k.kernel
	k.mu.Lock()
	defer k.mu.Unlock()
	if d := k.namespaces[0].byName(name); d != nil {
		return d.ifindex
	}
	return 0
}
