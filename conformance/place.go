package conformance

import (
	"slices"
	"strings"

	"github.com/nkconform/nkconform/mprog"
	"github.com/nkconform/nkconform/trace"
)

// place is where a hook is found: in a network namespace, by the device's
// ifindex there. It has programs, or else filters.
type place struct {
	netns mprog.Netns
	mprog.Hook
	filters bool
}

// viewer is a process that can query the hooks of its network namespace.
type viewer struct {
	name  string
	netns mprog.Netns
	mprog.Kernel
}

// placeOf returns where the hook is that a statement names. A cgroup has no network
// namespace; it is found by the fd that it was made with, whichever is named.
func (s *scope) placeOf(st *trace.Statement, word string) place {
	hook := s.hookOf(word)
	if hook.Type.Cgroup() {
		named, _, _ := trace.SplitHook(word)
		if g, ok := s.made[named]; ok {
			hook.Ifindex = s.fd[g]
		}
		return place{Hook: hook}
	}
	return place{s.home[st.Process], hook, strings.HasPrefix(st.Verb, "filter")}
}

// started notes a process. It can query hooks, unless it lacks the capabilities.
func (s *scope) started(name string, p mprog.Process, spec mprog.ProcessSpec) {
	s.process[name], s.home[name] = p, spec.Netns
	s.residents[spec.Netns]++
	if !slices.Contains(spec.Without, mprog.CapNetAdmin) || !slices.Contains(spec.Without, mprog.CapSysAdmin) {
		s.viewers = append(s.viewers, viewer{name, spec.Netns, p})
	}
}

func (s *scope) exited(name string) {
	s.residents[s.home[name]]--
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
			return v.Kernel
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

// reaches reports whether a statement may change a hook that it does not name,
// being as it was before: by taking away the network namespace, the device, or a qdisc,
// which has filters and keeps the storage of tcx hooks.
func (s *scope) reaches(st *trace.Statement, at place, before trace.Outcome) bool {
	device, ends := "", false
	if at.Type.Cgroup() { // nothing takes one away but its own end, and that of its fd
		return slices.ContainsFunc(st.Operands, func(g string) bool {
			made, ok := s.made[g]
			return st.Verb == "close" && s.fd[g] == at.Ifindex || st.Verb == "cgroup-remove" && ok && s.fd[made] == at.Ifindex
		})
	}
	switch st.Verb {
	case "end":
		return s.within(at, s.netns[st.Operands[0]])
	case "exit":
		return s.within(at, s.home[st.Operands[0]])
	case "delete":
		device, ends = st.Operands[0], true
	case "move": // which takes qdiscs away
		if device = st.Operands[0]; !at.filters && len(before.List) > 0 {
			return false
		}
	case "qdisc", "qdisc-delete":
		if device = st.Operands[0]; !at.filters && len(before.List) > 0 {
			return false
		}
	case "filter", "filter-delete": // an ingress qdisc has one list for both
		if device, _, _ = trace.SplitHook(st.Operands[0]); !at.filters {
			return false
		}
	default:
		return false
	}
	if _, named := s.ifindex[device]; !named {
		device = name(s.device, resolve(device, s.ifindex))
	}
	for _, end := range []string{device, s.pair[device]} {
		if end != "" && at.Ifindex == s.ifindex[end] && at.netns == s.home[end] {
			return true
		}
		if !ends {
			break
		}
	}
	return false
}

// within reports whether a hook is gone with a network namespace that has ended: it
// was there, or on a device whose peer was.
func (s *scope) within(at place, n mprog.Netns) bool {
	if !s.closed[n] || s.residents[n] > 0 {
		return false
	}
	if at.netns == n {
		return true
	}
	for device, ifindex := range s.ifindex {
		peer, paired := s.pair[device]
		if paired && s.home[peer] == n && s.home[device] == at.netns && ifindex == at.Ifindex {
			return true
		}
	}
	return false
}
