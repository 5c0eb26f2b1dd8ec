package picture

import (
	"slices"
	"strconv"

	"github.com/nkconform/nkconform/fake"
	"github.com/nkconform/nkconform/mprog"
	"github.com/nkconform/nkconform/trace"
)

// State is what there is, under the names that the statements gave.
type State struct {
	Devices   []Device
	Cgroups   []Cgroup
	Programs  []Program
	Links     []Link
	Pins      []Pin
	Processes []string // but for the first
}

// Device is a device with its hooks, in the order in which a packet meets them that it
// transmits, and then that it receives.
type Device struct {
	Name, Netns, Kind string
	Ifindex           uint32
	Peer              string // the other end of a pair
	Primary           bool
	Policy            string // of a netkit device: forward or blackhole
	Qdisc             string
	Hooks             []Hook
}

// Hook is a list of programs, or of a qdisc's filters, which have no revision.
type Hook struct {
	Name     string // as statements name it: nk0:primary
	Netns    string
	Filters  bool
	Revision uint64 // that the next change is compared with
	Entries  []Entry
	Cgroup   string  // that has it; "": it is a device's
	Mode     string  // of a cgroup's hook with programs: none, override or multi
	Runs     []Entry // in the cgroup, in order: those of cgroups above it among them
}

// Entry is a program in a list. New and Gone say what a step did.
type Entry struct {
	Prog, Link string // Link "": none
	Return     int32
	Verdict    string // what it returns, in a word
	Preorder   bool   // of a cgroup's
	On         string // the cgroup that it is attached to
	New, Gone  bool
}

// Program is a program. Refs counts the fds, pins, links and lists that hold it.
type Program struct {
	Name    string
	Type    string
	Return  int32
	Verdict string // what it returns, in a word
	Refs    int
}

// Link is a link, with what keeps it.
type Link struct {
	Name, Prog string
	Hook       string // "": defunct
	Held       []Held
	Pins       []string
}

// Held is a process that has fds of a link.
type Held struct {
	Process string   // "": the first
	FDs     []string // the names of the fds, or their numbers
}

// Own returns a name of an fd that the first process has, "" if it has none.
func (l Link) Own() string {
	for _, h := range l.Held {
		if h.Process == "" {
			return h.FDs[0]
		}
	}
	return ""
}

// Pin is a path and what is pinned there.
type Pin struct{ Path, Object string }

// Used reports whether a device is worth a picture: lo only where something is or was
// attached.
func (d Device) Used() bool {
	return d.Kind != "loopback" || d.Qdisc != "" ||
		slices.ContainsFunc(d.Hooks, func(h Hook) bool { return len(h.Entries) > 0 || h.Revision > 1 })
}

// Hook returns a hook by its name, nil if there is none.
func (s State) Hook(name string) *Hook {
	for _, d := range s.Devices {
		for i := range d.Hooks {
			if d.Hooks[i].Name == name && !d.Hooks[i].Filters {
				return &d.Hooks[i]
			}
		}
	}
	for _, c := range s.Cgroups {
		for i := range c.Hooks {
			if c.Hooks[i].Name == name {
				return &c.Hooks[i]
			}
		}
	}
	return nil
}

// kind says what a name stands for: program, link or cgroup; "" for anything else.
func (s State) kind(name string) string {
	for _, c := range s.Cgroups {
		if c.Name == name {
			return "cgroup"
		}
	}
	for _, p := range s.Programs {
		if p.Name == name {
			return "program"
		}
	}
	for _, l := range s.Links {
		if l.Name == name || slices.ContainsFunc(l.Held, func(h Held) bool { return slices.Contains(h.FDs, name) }) {
			return "link"
		}
	}
	return ""
}

// look names what the kernel holds.
func (s *Session) look() State {
	shot := s.kernel.Snapshot()
	prog := func(id uint32) string { return s.live.Name(mprog.ProgObject, id) }
	link := func(id uint32) string { return s.live.Name(mprog.LinkObject, id) }
	devices := map[mprog.Netns]map[uint32]string{}
	for _, d := range shot.Devices {
		if devices[d.Netns] == nil {
			devices[d.Netns] = map[uint32]string{}
		}
		devices[d.Netns][d.Ifindex] = d.Name
	}
	st := State{Processes: s.processes}
	for _, d := range shot.Devices {
		device := Device{
			Name: d.Name, Netns: s.netnsName(d.Netns), Kind: string(d.Kind), Ifindex: d.Ifindex, Peer: d.Peer, Primary: d.Primary, Qdisc: string(d.Qdisc),
		}
		if d.Kind == mprog.Netkit {
			device.Policy = map[mprog.NetkitPolicy]string{mprog.Forward: "forward", mprog.Blackhole: "blackhole"}[d.Policy]
		}
		for _, h := range d.Hooks {
			on := devices[d.Netns][h.Hook.Ifindex]
			if h.Hook.Ifindex != d.Ifindex { // a peer's, which is addressed by the primary
				on = d.Peer
			}
			hook := Hook{Name: on + ":" + h.Hook.Type.String(), Netns: device.Netns, Filters: h.Filters, Revision: h.Revision, Entries: []Entry{}}
			for _, e := range h.Entries {
				hook.Entries = append(hook.Entries, s.entry(e, shot))
			}
			device.Hooks = append(device.Hooks, hook)
		}
		st.Devices = append(st.Devices, device)
	}
	slices.SortStableFunc(st.Devices, func(a, b Device) int { // a pair's primary device first
		if a.Netns == b.Netns && a.Peer == b.Name && a.Kind == string(mprog.Netkit) && a.Primary != b.Primary {
			return map[bool]int{true: -1, false: 1}[a.Primary]
		}
		return 0
	})
	for _, p := range shot.Programs {
		st.Programs = append(st.Programs, Program{prog(p.ID), trace.FormatProgType(p.Type), p.Return, verdict(p.Type, p.Return), p.Refs})
	}
	st.Cgroups = s.cgroups(shot)
	for _, l := range shot.Links {
		st.Links = append(st.Links, s.link(l, link(l.ID), prog(l.Prog), shot))
	}
	for _, p := range shot.Pins {
		object := prog(p.ID)
		if p.Kind == mprog.LinkObject {
			object = link(p.ID)
		}
		st.Pins = append(st.Pins, Pin{p.Path, object})
	}
	return st
}

// link tells what keeps a link, and where it is.
func (s *Session) link(l fake.LinkShot, name, prog string, shot fake.Snapshot) Link {
	made := Link{Name: name, Prog: prog, Held: s.held(l)}
	for _, p := range shot.Pins {
		if p.Kind == mprog.LinkObject && p.ID == l.ID {
			made.Pins = append(made.Pins, p.Path)
		}
	}
	for _, d := range shot.Devices {
		for _, h := range d.Hooks {
			for _, e := range h.Entries {
				if e.Link == l.ID && !h.Filters {
					on := d.Name
					if h.Hook.Ifindex != d.Ifindex {
						on = d.Peer
					}
					made.Hook = on + ":" + h.Hook.Type.String()
				}
			}
		}
	}
	if made.Hook == "" && l.Device+l.Cgroup != "" { // of an XDP program, or on a cgroup
		made.Hook = l.Device + l.Cgroup + ":" + l.Type.String()
	}
	return made
}

// held tells who has fds of a link, and what they are called: a process that inherits
// an fd has it under the same number.
func (s *Session) held(l fake.LinkShot) (list []Held) {
	for _, open := range l.Open {
		process := s.born[open.Process]
		name := strconv.FormatUint(uint64(open.FD), 10)
		for _, known := range s.fds {
			if known.fd == open.FD && (known.process == process || known.process == "" && !trace.IsName(name)) {
				name = known.name
			}
		}
		if n := len(list); n > 0 && list[n-1].Process == process {
			list[n-1].FDs = append(list[n-1].FDs, name)
		} else {
			list = append(list, Held{process, []string{name}})
		}
	}
	return list
}

func (s *Session) netnsName(n mprog.Netns) string {
	if int(n) < len(s.netns) {
		return s.netns[n]
	}
	return strconv.Itoa(int(n))
}
