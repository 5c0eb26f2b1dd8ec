package rtnl

import (
	"slices"

	"github.com/nkconform/nkconform/mprog"
)

// chains returns the chains that have filters of what a request is about, in the order
// in which they came: of the hook of a filter, of both of a qdisc.
func (s *Server) chains(r *tcRequest) (found []uint32) {
	hooks := []mprog.Hook{r.hook()}
	if r.typ == newQdisc || r.typ == delQdisc {
		hooks = []mprog.Hook{{Ifindex: r.ifindex, Type: mprog.TCXIngress}}
		if r.traffic.Qdisc(r.ifindex) == mprog.Clsact {
			hooks = append(hooks, mprog.Hook{Ifindex: r.ifindex, Type: mprog.TCXEgress})
		}
	}
	for _, h := range hooks {
		list, _ := r.traffic.Filters(h)
		for i, f := range list {
			if i == 0 || list[i-1].Chain != f.Chain {
				found = append(found, f.Chain)
			}
		}
	}
	return found
}

// tellChains tells of chains that are new or gone, which nobody has asked for.
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

// changeChain refuses chains that stay without filters.
func (s *Server) changeChain(r *tcRequest) (handled bool, err error) {
	if !r.ofClsact() {
		return false, nil
	}
	return true, s.refuse("chains of filters by themselves are not simulated: those with filters are")
}

// getChain lists the chains that have filters, or tells of one.
func (s *Server) getChain(r *tcRequest) (handled bool, err error) {
	if !r.ofClsact() || r.socket.ReadOnly && r.traffic.Qdisc(r.ifindex) == "" {
		return false, nil
	}
	want, one := r.attrs.u32(tcChain)
	var parts []message
	for _, c := range s.chains(r) {
		if !one || c == want {
			parts = append(parts, message{typ: newChain, body: describeChain(r.ifindex, c)})
		}
	}
	if r.dumps() {
		r.list(parts)
		return true, nil
	}
	if len(parts) == 0 || !one && want != 0 {
		return true, qdiscError(mprog.EINVAL, "Cannot find specified filter chain")
	}
	parts[0].typ, parts[0].flags, parts[0].seq, parts[0].port = getChain, r.flags, r.seq, r.socket.Port
	r.socket.Send(appendMessage(nil, parts[0]))
	return true, nil
}
