package sim

import (
	"maps"

	"github.com/nkconform/nkconform/trace"
)

// awayKey is a device in another network namespace than the recorded one.
type awayKey struct {
	netns   uint64
	ifindex uint32
}

// RecordDelete notes that a device is deleted, in whatever network namespace. It
// reports whether the trace had the device: its peer, which goes with it, is in
// others.
func (s *Sim) RecordDelete(netns uint64, index uint32) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.written()
	if r == nil {
		return false
	}
	if name := r.away[awayKey{netns, index}]; name != "" && netns != r.home {
		for _, other := range r.devices {
			if other == r.peers[name] { // which goes with it
				return false
			}
		}
		r.comment("cannot be said: delete %s, which is in %s", name, r.netns[netns])
		r.forget(name)
		return true
	}
	if netns != r.home || r.devices[index] == "" {
		return false
	}
	r.add(&trace.Statement{Verb: "delete", Operands: []string{r.devices[index]}})
	r.forget(r.devices[index]) // the next device of the number is another
	return true
}

// forget forgets a device and its peer.
func (r *recorder) forget(name string) {
	gone := func(other string) bool { return other == name || other == r.peers[name] }
	maps.DeleteFunc(r.devices, func(_ uint32, other string) bool { return gone(other) })
	maps.DeleteFunc(r.away, func(_ awayKey, other string) bool { return gone(other) })
}

// recordGone notes that a device of the running kernel's is deleted.
func (s *Sim) recordGone(netns uint64, index uint32) {
	if s.record == nil {
		return
	}
	r := s.written()
	defer delete(s.mirroredNames, awayKey{netns, index})
	if name := r.away[awayKey{netns, index}]; name != "" && netns != r.home {
		r.comment("cannot be said: delete %s, which is in %s", name, r.netns[netns])
		r.forget(name)
		return
	}
	if netns != r.home {
		return
	}
	if name := r.devices[index]; name != "" && index != loopback {
		delete(r.devices, index)
		r.add(&trace.Statement{Verb: "delete", Operands: []string{name}})
	}
}

// RecordMove notes that a device is in another network namespace now.
func (s *Sim) RecordMove(netns uint64, index uint32, to uint64, there uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.recordMove(netns, index, to, there)
}

func (s *Sim) recordMove(netns uint64, index uint32, to uint64, there uint32) {
	r := s.written()
	if r == nil || to == netns {
		return
	}
	if netns != r.home {
		name := r.away[awayKey{netns, index}]
		delete(r.away, awayKey{netns, index})
		switch {
		case name == "":
		case to == r.home:
			r.comment("cannot be said: %s comes back", name)
		default:
			r.comment("cannot be said: %s moves from %s to another namespace", name, r.netns[netns])
		}
		return
	}
	name := r.devices[index]
	if name == "" {
		return
	}
	r.add(&trace.Statement{Verb: "move", Operands: []string{name, r.namespace(to)}})
	delete(r.devices, index)
	r.away[awayKey{to, there}] = name
}
