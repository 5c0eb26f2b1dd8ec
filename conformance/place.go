package conformance

import (
	"slices"

	"github.com/nkconform/nkconform/mprog"
	"github.com/nkconform/nkconform/trace"
)

// place is where a hook is found: in a network namespace, by the device's
// ifindex there.
type place struct {
	netns mprog.Netns
	mprog.Hook
}

// viewer is a process that can query the hooks of its network namespace.
type viewer struct {
	name  string
	netns mprog.Netns
	mprog.Kernel
}

// placeOf returns where the hook is that a statement names.
func (s *scope) placeOf(st *trace.Statement, word string) place {
	return place{s.home[st.Process], s.hookOf(word)}
}

// started notes a process. It can query hooks, unless it lacks the capabilities.
func (s *scope) started(name string, p mprog.Process, spec mprog.ProcessSpec) {
	s.process[name], s.home[name] = p, spec.Netns
	if !slices.Contains(spec.Without, mprog.CapNetAdmin) || !slices.Contains(spec.Without, mprog.CapSysAdmin) {
		s.viewers = append(s.viewers, viewer{name, spec.Netns, p})
	}
}

func (s *scope) exited(name string) {
	s.viewers = slices.DeleteFunc(s.viewers, func(v viewer) bool { return v.name == name })
}

// viewer returns who can query the hooks of a network namespace: the first
// process those of its own, any process there those of another. None is nil.
func (p *player) viewer(n mprog.Netns) mprog.Kernel {
	if n == 0 {
		return p.env
	}
	for _, v := range p.names.viewers {
		if v.netns == n {
			return v
		}
	}
	return nil
}

// moved notes that a device is in another network namespace.
func (s *scope) moved(device string, from, to place) {
	s.ifindex[device], s.device[to.Ifindex], s.home[device] = to.Ifindex, device, to.netns
	for link, at := range s.hook {
		s.hook[link] = at.moved(from, to)
	}
}

// moved is where a hook is when a device has gone from one place to another.
func (at place) moved(from, to place) place {
	if at.netns == from.netns && at.Ifindex == from.Ifindex {
		at.netns, at.Ifindex = to.netns, to.Ifindex
	}
	return at
}

// removes reports whether a statement takes away the device of a hook.
func (s *scope) removes(st *trace.Statement, at place) bool {
	if st.Verb != "delete" {
		return false
	}
	device := st.Operands[0]
	if _, named := s.ifindex[device]; !named {
		device = name(s.device, resolve(device, s.ifindex))
	}
	for _, end := range []string{device, s.pair[device]} {
		if end != "" && at.Ifindex == s.ifindex[end] && at.netns == s.home[end] {
			return true
		}
	}
	return false
}
