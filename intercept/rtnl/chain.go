package rtnl

import (
	"slices"

	"github.com/nkconform/nkconform/mprog"
)

// chains returns the chains of what a request is about, in the order in which they came: of the hook of a filter, of both of a qdisc.
func (s *Server) chains(r *tcRequest) (found []uint32) {
	hooks := []mprog.Hook{r.hook()}
	if r.typ == newQdisc || r.typ == delQdisc {
		hooks = []mprog.Hook{{Ifindex: r.ifindex, Type: mprog.TCXIngress}}
		if r.traffic.Qdisc(r.ifindex) == mprog.Clsact {
			hooks = append(hooks, mprog.Hook{Ifindex: r.ifindex, Type: mprog.TCXEgress})
		}
	}
	for _, h := range hooks {
		found = append(found, r.traffic.Chains(h)...)
	}
	return found
}

// tellChains tells of chains that are new or gone: as if nobody had asked for that.
func (s *Server) tellChains(r *tcRequest, typ, flags uint16, chains []uint32) {
	for _, c := range chains {
		p := appendMessage(nil, message{typ: typ, flags: flags, body: describeChain(r.ifindex, c)})
		for _, k := range s.sockets {
			if k.Netns == r.socket.Netns && slices.Contains(k.groups, tcGroup) {
				k.Send(slices.Clone(p))
			}
		}
	}
}

// describeChain is tc_chain_fill_node.
func describeChain(ifindex, chain uint32) []byte {
	return appendU32(header(ifindex, 0, clsactHandle, 0), tcChain, chain)
}

func (s *Server) newChain(r *tcRequest) (handled bool, err error) {
	if !s.answersAt(r) {
		return false, nil
	}
	q := r.filter()
	if q.Kind != "" {
		return true, s.refuse("templates of chains are not simulated")
	}
	if err := r.traffic.AddChain(q); err != nil {
		return true, err
	}
	s.tellChains(r, newChain, uint16(mprog.NLCreate|mprog.NLExcl), []uint32{q.Chain})
	return true, nil
}

func (s *Server) delChain(r *tcRequest) (handled bool, err error) {
	if !s.answersAt(r) {
		return false, nil
	}
	q := r.filter()
	list, err := r.traffic.Filters(q.Hook)
	if err != nil {
		return true, err
	}
	if err := r.traffic.DeleteChain(q); err != nil {
		return true, err
	}
	q.Handle, q.Priority = 0, 0
	s.tellDeleted(r, list, &q)
	s.tellChains(r, delChain, 0, []uint32{q.Chain})
	return true, nil
}

// getChain lists the chains, or tells of one.
func (s *Server) getChain(r *tcRequest) (handled bool, err error) {
	if !s.answersAt(r) || r.socket.ReadOnly && r.traffic.Qdisc(r.ifindex) == "" {
		return false, nil
	}
	want, one := r.attrs.u32(tcChain)
	one = one || !r.dumps()
	var parts []message
	for _, c := range s.chains(r) {
		if !one || c == want {
			parts = append(parts, message{typ: newChain, body: describeChain(r.ifindex, c)})
		}
	}
	switch {
	case r.dumps():
		r.list(parts)
	case len(parts) == 0:
		return true, qdiscError(mprog.EINVAL, "Cannot find specified filter chain")
	default:
		m := message{typ: getChain, flags: r.flags, seq: r.seq, port: r.socket.Port, body: parts[0].body}
		r.socket.Send(appendMessage(nil, m))
	}
	return true, nil
}
