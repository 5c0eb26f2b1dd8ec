package sim

import (
	"maps"
	"slices"
	"strconv"

	"github.com/nkconform/nkconform/trace"
)

// Calls in other network namespaces than the first are those of a process of the trace
// that lives there. It opens programs by their ids for each call; links that it makes are
// its own, and end with it at the latest.

// speaker is who makes the calls that are being written.
type speaker struct {
	netns    uint64
	process  string   // "" for the first
	borrowed []string // fds that the process has for this call alone
}

// speakIn has the next statement be about a network namespace.
func (r *recorder) speakIn(netns uint64) {
	r.speaker = speaker{netns: netns}
	if netns != r.home {
		r.speaker.process = r.processIn(netns)
	}
}

// speakFor has the next statement be about a link, whose owner makes it.
func (r *recorder) speakFor(link uint32) {
	r.speaker = speaker{netns: r.home}
	if netns, ok := r.owners[link]; ok {
		r.speaker = speaker{netns: netns, process: r.processes[netns]}
	}
}

// say adds a statement of the speaker's, who then closes what was opened for it.
func (r *recorder) say(s *trace.Statement) {
	s.Process = r.speaker.process
	r.add(s)
	r.giveBack()
}

// giveBack closes what the speaker has opened for a call.
func (r *recorder) giveBack() {
	if len(r.speaker.borrowed) > 0 {
		r.add(&trace.Statement{Process: r.speaker.process, Verb: "close", Operands: r.speaker.borrowed})
		r.speaker.borrowed = nil
	}
}

// borrow is the speaker's fd of an object that has a name.
func (r *recorder) borrow(o *Object) string {
	if r.speaker.process == "" {
		if _, others := r.owners[o.ID]; others && o.Kind == Link {
			r.nameless = true
			return "1"
		}
		return r.fdOf(o)
	}
	if netns, ok := r.owners[o.ID]; ok && o.Kind == Link && netns == r.speaker.netns {
		return r.fdOf(o)
	}
	name := r.fresh(r.names[o.Kind][o.ID])
	r.used[name] = true
	verb := map[Kind]string{Prog: "prog-fd", Link: "link-fd"}[o.Kind]
	r.add(&trace.Statement{Process: r.speaker.process, Verb: verb, Operands: []string{name, r.names[o.Kind][o.ID]}})
	r.speaker.borrowed = append(r.speaker.borrowed, name)
	return name
}

// namespace is the name of a network namespace, which is made if there is none yet.
func (r *recorder) namespace(netns uint64) string {
	if r.netns[netns] == "" {
		r.namespaces++
		r.netns[netns] = r.unused("ns" + strconv.Itoa(r.namespaces))
		r.used[r.netns[netns]] = true
		r.add(&trace.Statement{Verb: "netns", Operands: []string{r.netns[netns]}})
	}
	return r.netns[netns]
}

// processIn is the process that lives in a network namespace. It has inherited all that
// the first one has open, which must not outlive that, and closes it.
func (r *recorder) processIn(netns uint64) string {
	if q := r.processes[netns]; q != "" {
		return q
	}
	in := r.namespace(netns)
	q := r.fresh("in-" + in)
	if !trace.IsName(q) {
		q = r.fresh("q" + in)
	}
	r.used[q], r.processes[netns] = true, q
	r.add(&trace.Statement{Verb: "process", Operands: []string{q}, Params: []trace.Param{{Key: "netns", Value: in}}})
	var inherited []string
	for _, kind := range []Kind{Prog, Link} {
		for _, id := range slices.Sorted(maps.Keys(r.open[kind])) {
			o := &Object{Kind: kind, ID: id}
			if _, others := r.owners[id]; r.open[kind][id] > 0 && r.names[kind][id] != "" && (kind == Prog || !others) {
				inherited = append(inherited, r.fdOf(o))
			}
		}
	}
	if len(inherited) > 0 {
		r.add(&trace.Statement{Process: q, Verb: "close", Operands: inherited})
	}
	return q
}

// RecordEnd notes that a network namespace is gone, and what was in it.
func (s *Sim) RecordEnd(netns uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.written()
	if r == nil || r.netns[netns] == "" {
		return
	}
	if q := r.processes[netns]; q != "" {
		r.add(&trace.Statement{Verb: "exit", Operands: []string{q}})
	}
	r.add(&trace.Statement{Verb: "end", Operands: []string{r.netns[netns]}})
	for id, owner := range r.owners {
		if owner == netns { // its fds may live on elsewhere; the trace has none
			delete(r.owners, id)
			delete(r.names[Link], id)
		}
	}
	for key, name := range r.away {
		if key.netns == netns {
			r.forget(name)
		}
	}
	delete(r.netns, netns)
	delete(r.processes, netns)
	delete(r.lookers, netns)
}
