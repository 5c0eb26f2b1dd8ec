package rtnl

import "github.com/nkconform/nkconform/mprog"

// A qdisc at TC_H_CLSACT that gets filters other than those of programs, or that shares
// its filters with others, is lent to the running kernel, which makes one of the kind and
// answers for its filters from then on. It can have no programs then.

// place is a device of a namespace.
type place struct {
	netns   uint64
	ifindex uint32
}

func (r *tcRequest) place() place { return place{r.socket.Netns, r.ifindex} }

// Lent reports whether the running kernel has the filters of a device's qdisc at
// TC_H_CLSACT.
func (s *Server) Lent(netns uint64, ifindex uint32) bool { return s.lent[place{netns, ifindex}] }

// lends reports whether any qdisc of a namespace is lent, so that there may be blocks.
func (s *Server) lends(netns uint64) bool {
	for at := range s.lent {
		if at.netns == netns {
			return true
		}
	}
	return false
}

// isLent reports likewise for a request. What was lent is not if the qdisc is gone, as with
// its device.
func (s *Server) isLent(r *tcRequest) bool {
	if s.lent[r.place()] && r.traffic.Qdisc(r.ifindex) == "" {
		delete(s.lent, r.place())
	}
	return s.lent[r.place()]
}

// answersAt reports whether a request is about filters or chains at TC_H_CLSACT that are
// not the running kernel's. A qdisc of another place may have that handle, too.
func (s *Server) answersAt(r *tcRequest) bool {
	if r.ifindex == magicBlock {
		return !s.lends(r.socket.Netns)
	}
	if r.parent>>16 != clsactHandle>>16 || s.isLent(r) {
		return false
	}
	return r.traffic.Qdisc(r.ifindex) != "" || !r.elsewhere()
}

// elsewhere reports whether the running kernel has the qdisc that a request names as a
// parent, and not at TC_H_CLSACT.
func (r *tcRequest) elsewhere() bool {
	listed, _ := r.socket.qdiscs(allQdiscs(r.seq))
	for _, m := range listed {
		if native.Uint32(m.body[4:]) == r.ifindex && native.Uint32(m.body[8:])>>16 == r.parent>>16 &&
			native.Uint32(m.body[12:]) != clsactParent {
			return true
		}
	}
	return false
}

// idle reports whether a device has a qdisc at TC_H_CLSACT without filters and chains.
func (r *tcRequest) idle() bool {
	for _, at := range []mprog.AttachType{mprog.TCXIngress, mprog.TCXEgress} {
		hook := mprog.Hook{Ifindex: r.ifindex, Type: at}
		if filters, err := r.traffic.Filters(hook); err == nil && len(filters) > 0 || len(r.traffic.Chains(hook)) > 0 {
			return false
		}
	}
	return r.traffic.Qdisc(r.ifindex) != ""
}

// lend lends an idle qdisc. Where its device has programs by
// other means, and where the running kernel must not be changed, it is refused.
func (s *Server) lend(r *tcRequest, what string) error {
	kind := r.traffic.Qdisc(r.ifindex)
	attrs := appendText(nil, tcKind, string(kind))
	for _, block := range []uint16{tcIngressBlock, tcEgressBlock} {
		if value, shared := r.attrs[block]; shared {
			attrs = appendAttribute(attrs, block, value)
		}
	}
	errno := s.underlying(r, newQdisc, flagCreate|flagExcl, attrs)
	if errno == mprog.EEXIST && s.wires != nil && s.wires.Release(r.socket.Netns, r.ifindex) {
		errno = s.underlying(r, newQdisc, flagCreate|flagExcl, attrs)
	}
	switch errno {
	case 0:
	case mprog.EEXIST: // nkconform's own
		return s.refuse("%s where programs of BPF see what a device sends and receives are not simulated", what)
	default:
		return s.refuse("%s are not simulated", what)
	}
	if s.lent == nil {
		s.lent = map[place]bool{}
	}
	s.lent[r.place()] = true
	return nil
}

// takeBack ends that a qdisc is lent, with its filters.
func (s *Server) takeBack(r *tcRequest) {
	if s.isLent(r) {
		s.underlying(r, delQdisc, 0, nil)
		delete(s.lent, r.place())
	}
}

// underlying makes a request about the qdisc at TC_H_CLSACT that the running kernel has.
func (s *Server) underlying(r *tcRequest, typ, flags uint16, attrs []byte) mprog.Errno {
	if r.socket.Forward == nil || r.socket.ReadOnly {
		return mprog.EPERM
	}
	body := append(header(r.ifindex, clsactHandle, clsactParent, 0), attrs...)
	request := appendMessage(nil, message{typ: typ, flags: flagRequest | flagAck | flags, seq: takenSeq, body: body})
	errno := mprog.EPERM
	for _, p := range r.socket.Forward(request) {
		if e, answer := Refused(p, takenSeq); answer {
			errno = e
			continue
		}
		s.Relay(r.socket, p)
	}
	return errno
}
