package fake

import (
	"cmp"
	"maps"
	"slices"

	"github.com/nkconform/nkconform/mprog"
)

// Snapshot is what a machine holds at one time: the fake may be looked into, where of a
// kernel there is only what it answers.
type Snapshot struct {
	Devices  []DeviceShot // namespace by namespace, by ifindex
	Cgroups  []CgroupShot // each behind the one that it is in
	Programs []ProgramShot
	Links    []LinkShot
	Pins     []PinShot // by path
}

// DeviceShot is a device with its hooks.
type DeviceShot struct {
	Name    string
	Netns   mprog.Netns
	Ifindex uint32
	Kind    mprog.DeviceKind
	Peer    string // the other end of a pair; "": none
	Primary bool   // of a netkit pair: the end by which both hooks are addressed
	Policy  mprog.NetkitPolicy
	Qdisc   mprog.QdiscKind // clsact or ingress; "": none
	Hooks   []HookShot      // in the order in which a packet that the device transmits meets them, then ingress
}

// HookShot is a hook with its programs, or one direction of a qdisc with its filters.
type HookShot struct {
	Hook     mprog.Hook // as it is addressed
	Filters  bool
	Revision uint64 // what the next call's expected_revision is compared with, which a query of an empty netkit hook does not tell
	Entries  []EntryShot
}

// EntryShot is a program in a list.
type EntryShot struct {
	Prog, Link uint32 // ids; 0: no link
	Return     int32
}

// ProgramShot is a program.
type ProgramShot struct {
	ID     uint32
	Type   mprog.ProgType
	Return int32
	Refs   int // fds of all processes, pins, links and lists
}

// LinkShot is a link. A defunct one has neither device nor cgroup.
type LinkShot struct {
	ID, Prog uint32
	Device   string // that has the hook
	Cgroup   string // or that has it
	Type     mprog.AttachType
	Open     []OpenFD // fds of it, process by process
}

// OpenFD is an open fd of a process: 0 is the first, then they are numbered as they came.
type OpenFD struct {
	Process int
	FD      uint32
}

// PinShot is a path and the id of what is pinned there.
type PinShot struct {
	Path string
	Kind mprog.ObjectKind
	ID   uint32
}

// Snapshot looks into a machine of this process.
func (k *Kernel) Snapshot() Snapshot {
	k = k.kernel
	k.mu.Lock()
	defer k.mu.Unlock()
	var s Snapshot
	for n, net := range k.namespaces {
		for _, ifindex := range slices.Sorted(maps.Keys(net.devices)) {
			d := k.shoot(net.devices[ifindex])
			d.Netns = mprog.Netns(n)
			s.Devices = append(s.Devices, d)
		}
	}
	s.Cgroups = k.shootCgroups()
	for _, p := range k.progs {
		s.Programs = append(s.Programs, ProgramShot{p.id, p.typ, p.ret, p.refs})
	}
	slices.SortFunc(s.Programs, func(a, b ProgramShot) int { return cmp.Compare(a.ID, b.ID) })
	for _, l := range k.links {
		shot := LinkShot{ID: l.id, Prog: l.prog.id, Type: l.at, Open: k.openFDs(l)}
		if l.dev != nil {
			shot.Device = l.dev.name
		}
		if l.cgroup != nil {
			shot.Cgroup = l.cgroup.name
		}
		s.Links = append(s.Links, shot)
	}
	slices.SortFunc(s.Links, func(a, b LinkShot) int { return cmp.Compare(a.ID, b.ID) })
	for _, path := range slices.Sorted(maps.Keys(k.fs.pins)) {
		switch f := k.fs.pins[path].(type) {
		case *program:
			s.Pins = append(s.Pins, PinShot{path, mprog.ProgObject, f.id})
		case *link:
			s.Pins = append(s.Pins, PinShot{path, mprog.LinkObject, f.id})
		}
	}
	return s
}

// openFDs lists the fds of a link.
func (k *Kernel) openFDs(l *link) (list []OpenFD) {
	for i, p := range append([]*Process{k.Process}, k.children...) {
		for _, fd := range slices.Sorted(maps.Keys(p.files)) {
			if p.files[fd] == file(l) {
				list = append(list, OpenFD{i, fd})
			}
		}
	}
	return list
}

// shoot looks at a device.
func (k *Kernel) shoot(d *device) DeviceShot {
	shot := DeviceShot{Name: d.name, Ifindex: d.ifindex, Kind: d.kind, Primary: d.primary, Policy: d.policy}
	if d.peer != nil {
		shot.Peer = d.peer.name
	}
	if d.qdisc != nil {
		shot.Qdisc = d.qdisc.kind
	}
	add := func(ifindex uint32, at mprog.AttachType, h *hook) {
		entries := []EntryShot{}
		for _, e := range h.entries[:h.count] {
			entries = append(entries, EntryShot{e.prog.id, e.link.idOr0(), e.prog.ret})
		}
		revision := h.revision
		if at.TCX() && h.count == 0 && !d.qdisc.keeps(at) {
			revision = 1 // which its storage will begin with
		}
		shot.Hooks = append(shot.Hooks, HookShot{Hook: mprog.Hook{Ifindex: ifindex, Type: at}, Revision: revision, Entries: entries})
	}
	filters := func(at mprog.AttachType, minor uint32) {
		if d.qdisc == nil || d.qdisc.kind == mprog.Ingress && at == mprog.TCXEgress {
			return
		}
		h := HookShot{Hook: mprog.Hook{Ifindex: d.ifindex, Type: at}, Filters: true, Entries: []EntryShot{}}
		for _, c := range d.qdisc.blocks[minor-minorIngress].chains {
			for _, pr := range c.priorities {
				for _, f := range pr.filters {
					h.Entries = append(h.Entries, EntryShot{Prog: f.prog.id, Return: f.prog.ret})
				}
			}
		}
		shot.Hooks = append(shot.Hooks, h)
	}
	tcx := k.hooks(mprog.TCXIngress) == built
	if tcx {
		add(d.ifindex, mprog.TCXEgress, &d.tcx[1])
	}
	filters(mprog.TCXEgress, minorEgress)
	if d.kind == mprog.Netkit && !d.single {
		at, ifindex := mprog.NetkitPrimary, d.ifindex
		if !d.primary {
			at, ifindex = mprog.NetkitPeer, d.peer.ifindex
		}
		add(ifindex, at, &d.netkit)
	}
	if tcx {
		add(d.ifindex, mprog.TCXIngress, &d.tcx[0])
	}
	filters(mprog.TCXIngress, minorIngress)
	return shot
}
