package picture

import (
	"cmp"
	"slices"

	"github.com/nkconform/nkconform/fake"
	"github.com/nkconform/nkconform/mprog"
)

// Cgroup is a cgroup with its hooks: those of every attach type that is in use, and at
// least those of packets.
type Cgroup struct {
	Name, Parent string // Parent "": it is in none that has a name
	Depth        int    // 0: it is in none that has a name
	Processes    []string
	Hooks        []Hook
}

// packets are the attach types that a cgroup is always shown with.
var packets = []mprog.AttachType{mprog.CgroupInetIngress, mprog.CgroupInetEgress}

// cgroups names the cgroups that the kernel holds, each behind the one it is in.
func (s *Session) cgroups(shot fake.Snapshot) (list []Cgroup) {
	depth := map[string]int{"": -1}
	for _, g := range shot.Cgroups {
		depth[g.Name] = depth[g.Parent] + 1
		c := Cgroup{Name: g.Name, Parent: g.Parent, Depth: depth[g.Name]}
		for _, m := range g.Members {
			c.Processes = append(c.Processes, s.born[m])
		}
		for _, at := range packets {
			if !slices.ContainsFunc(g.Hooks, func(h fake.CgroupHookShot) bool { return h.Type == at }) {
				c.Hooks = append(c.Hooks, Hook{Name: g.Name + ":" + at.String(), Cgroup: g.Name, Revision: 1, Entries: []Entry{}})
			}
		}
		for _, h := range g.Hooks {
			hook := Hook{Name: g.Name + ":" + h.Type.String(), Cgroup: g.Name, Revision: h.Revision, Entries: s.entries(h.Entries, shot)}
			hook.Runs = s.entries(h.Effective, shot)
			if len(h.Entries) > 0 {
				hook.Mode = mode(h.Mode)
			}
			c.Hooks = append(c.Hooks, hook)
		}
		slices.SortFunc(c.Hooks, func(a, b Hook) int { return cmp.Compare(attachType(a), attachType(b)) })
		list = append(list, c)
	}
	return list
}

// mode names the mode of a cgroup's hook that has programs.
func mode(f mprog.Flags) string {
	switch {
	case f&mprog.AllowMulti != 0:
		return "multi"
	case f&mprog.AllowOverride != 0:
		return "override"
	}
	return "none"
}

// entries names the programs in a list of a cgroup.
func (s *Session) entries(shots []fake.CgroupEntryShot, shot fake.Snapshot) []Entry {
	list := []Entry{}
	for _, e := range shots {
		entry := s.entry(e.EntryShot, shot)
		entry.Preorder, entry.On = e.Preorder, e.On
		list = append(list, entry)
	}
	return list
}

// entry names a program in a list.
func (s *Session) entry(e fake.EntryShot, shot fake.Snapshot) Entry {
	made := Entry{Prog: s.live.Name(mprog.ProgObject, e.Prog), Return: e.Return}
	if e.Link != 0 {
		made.Link = s.live.Name(mprog.LinkObject, e.Link)
	}
	for _, p := range shot.Programs {
		if p.ID == e.Prog {
			made.Verdict = verdict(p.Type, e.Return)
		}
	}
	return made
}

// datagram finds the way of a datagram: it passes what runs at egress in the cgroup of
// the process that sends it, and at ingress in that of the one that receives it. Every
// program runs; one that returns 0 in the lowest bit is enough to stop it.
func (s *Session) datagram(from, to string, sent mprog.Delivery) *Packet {
	p := &Packet{From: person(from), To: person(to), Datagram: true, Delivered: sent.Delivered, End: "it arrives at " + person(to)}
	for _, side := range []struct {
		process string
		at      mprog.AttachType
	}{{from, mprog.CgroupInetEgress}, {to, mprog.CgroupInetIngress}} {
		for _, c := range s.state.Cgroups {
			if !slices.Contains(c.Processes, side.process) {
				continue
			}
			h := s.state.Hook(c.Name + ":" + side.at.String())
			stop := Stop{Hook: h.Name, Ran: h.Runs}
			for _, e := range h.Runs {
				if e.Return&1 == 0 && !stop.Ended {
					stop.Ended = true
					p.End = "ended at " + h.Name + ": " + e.Prog + " returned " + returned(e)
				}
			}
			if p.Stops = append(p.Stops, stop); stop.Ended {
				return p
			}
		}
	}
	return p
}

// person is a process as one speaks of it.
func person(process string) string {
	if process == "" {
		return "the first process"
	}
	return process
}

// runs compares what runs in the cgroups of two states. What merely repeats the hook's
// own list is left out.
func runs(before, after State) (list []Change) {
	for _, c := range after.Cgroups {
		for _, h := range c.Hooks {
			was := Hook{}
			if old := before.Hook(h.Name); old != nil {
				was = *old
			}
			if Same(was.Runs, h.Runs) || Same(was.Runs, was.Entries) && Same(h.Runs, h.Entries) {
				continue
			}
			list = append(list, Change{
				Hook: h.Name, Runs: true,
				Before: marked(was.Runs, h.Runs, func(e *Entry) { e.Gone = true }),
				After:  marked(h.Runs, was.Runs, func(e *Entry) { e.New = true }),
			})
		}
	}
	return list
}
