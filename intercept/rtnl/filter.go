package rtnl

import (
	"encoding/binary"
	"slices"

	"github.com/nkconform/nkconform/mprog"
)

// Attributes of cls_bpf (include/uapi/linux/pkt_cls.h).
const (
	bpfAction   = 1
	bpfPolice   = 2
	bpfClassID  = 3
	bpfOps      = 5
	bpfFD       = 6
	bpfName     = 7
	bpfFlags    = 8
	bpfGenFlags = 9
	bpfTag      = 10
	bpfID       = 11
)

// hook is where a request's filters are.
func (r *tcRequest) hook() mprog.Hook {
	at := mprog.AttachType(r.parent)
	for _, t := range []mprog.AttachType{mprog.TCXIngress, mprog.TCXEgress} {
		if mprog.FilterParent(t) == r.parent {
			at = t
		}
	}
	return mprog.Hook{Ifindex: r.ifindex, Type: at}
}

// filter reads a request but for the attributes of its kind.
func (r *tcRequest) filter() mprog.FilterRequest {
	chain, _ := r.attrs.u32(tcChain)
	return mprog.FilterRequest{
		Hook: r.hook(), Kind: r.attrs.text(tcKind), Handle: r.handle, Priority: uint16(r.info >> 16),
		Protocol: networkOrder(uint16(r.info)), Chain: chain, Flags: mprog.NLFlags(r.flags) & makes,
	}
}

// networkOrder changes a number from network to host order, and back.
func networkOrder(v uint16) uint16 {
	return binary.BigEndian.Uint16(native.AppendUint16(nil, v))
}

// readOptions reads the attributes of cls_bpf. What the kernel refuses as a whole gets
// flags that it refuses.
func (s *Server) readOptions(r *tcRequest, q *mprog.FilterRequest) error {
	o := r.attrs.nested(tcOptions)
	for typ, what := range map[uint16]string{
		bpfAction: "actions of filters", bpfPolice: "policers of filters", bpfOps: "filters of classic BPF",
	} {
		if _, there := o[typ]; there && q.Kind == mprog.BPFKind {
			return s.refuse("%s are not simulated", what)
		}
	}
	fd, given := o.u32(bpfFD)
	flags, _ := o.u32(bpfFlags)
	if q.FD, q.BPFFlags = fd, mprog.BPFFlags(flags); !given {
		q.BPFFlags = ^mprog.BPFFlags(0)
	}
	q.GenFlags, _ = o.u32(bpfGenFlags)
	q.ClassID, _ = o.u32(bpfClassID)
	q.Name = o.text(bpfName)
	return nil
}

func (s *Server) newFilter(r *tcRequest) (handled bool, err error) {
	q := r.filter()
	if !s.answersAt(r) {
		switch {
		case q.Kind != mprog.BPFKind, r.ifindex == magicBlock:
		case q.Priority == 0 && q.Flags&mprog.NLCreate == 0:
			return true, qdiscError(mprog.ENOENT, "Invalid filter command with priority of zero")
		case s.isLent(r):
			return true, s.refuse("programs of BPF beside filters of other kinds, or where qdiscs share their filters, are not simulated")
		case !s.hasDevice(r):
			return true, mprog.ENODEV
		case !r.hasParent():
			return true, qdiscError(mprog.EINVAL, "Parent Qdisc doesn't exists")
		}
		return false, nil
	}
	if q.Kind != "" && q.Kind != mprog.BPFKind && r.idle() {
		err := s.lend(r, "filters of kind "+q.Kind)
		return err != nil, err
	}
	if err := s.readOptions(r, &q); err != nil {
		return true, err
	}
	before := s.chains(r)
	f, err := r.traffic.AddFilter(q)
	if err != nil {
		return true, err
	}
	if !slices.Contains(before, f.Chain) {
		s.tellChains(r, newChain, uint16(mprog.NLCreate|mprog.NLExcl), []uint32{f.Chain})
	}
	s.tell(r, r.filterMessage(newFilter, r.flags, &f, true))
	return true, nil
}

func (s *Server) delFilter(r *tcRequest) (handled bool, err error) {
	if !s.answersAt(r) {
		return false, nil
	}
	q := r.filter()
	before := s.chains(r)
	list, err := r.traffic.Filters(q.Hook)
	if err != nil {
		return true, err
	}
	if err := r.traffic.DeleteFilter(q); err != nil {
		return true, err
	}
	s.tellDeleted(r, list, &q)
	after := s.chains(r)
	s.tellChains(r, delChain, 0, slices.DeleteFunc(before, func(c uint32) bool { return slices.Contains(after, c) }))
	return true, nil
}

// tellDeleted tells of the filters of a list that a request has deleted: of one, of all of
// a priority as one, or so of each priority of a chain.
func (s *Server) tellDeleted(r *tcRequest, list []mprog.Filter, q *mprog.FilterRequest) {
	told := map[uint16]bool{}
	for _, f := range list {
		switch {
		case f.Chain != q.Chain || q.Priority != 0 && f.Priority != q.Priority:
		case q.Handle != 0 && f.Handle == q.Handle:
			s.tell(r, r.filterMessage(delFilter, r.flags, &f, true))
		case q.Handle == 0 && !told[f.Priority]:
			told[f.Priority] = true
			s.tell(r, r.filterMessage(delFilter, r.flags, &f, false))
		}
	}
}

func (s *Server) getFilter(r *tcRequest) (handled bool, err error) {
	// What the running kernel has at TC_H_CLSACT itself is not the program's, unless it
	// shares the host's network.
	if !s.answersAt(r) || r.socket.ReadOnly && r.traffic.Qdisc(r.ifindex) == "" {
		return false, nil
	}
	q := r.filter()
	if !r.dumps() {
		f, err := r.traffic.GetFilter(q)
		if err != nil {
			return true, err
		}
		m := r.filterMessage(newFilter, r.flags, &f, true)
		r.socket.Send(appendMessage(nil, m))
		return true, nil
	}
	list, err := r.traffic.Filters(q.Hook)
	if err != nil {
		return true, err
	}
	var parts []message
	_, oneChain := r.attrs[tcChain]
	for i, f := range list {
		switch {
		case oneChain && f.Chain != q.Chain, q.Priority != 0 && f.Priority != q.Priority,
			q.Protocol != 0 && f.Protocol != q.Protocol:
			continue
		case i == 0 || list[i-1].Chain != f.Chain || list[i-1].Priority != f.Priority:
			parts = append(parts, r.filterMessage(newFilter, 0, &f, false))
		}
		parts = append(parts, r.filterMessage(newFilter, 0, &f, true))
	}
	r.list(parts)
	return true, nil
}

// filterMessage tells of a filter, or if it is not whole of its priority
// (tcf_fill_node, cls_bpf_dump).
func (r *tcRequest) filterMessage(typ, flags uint16, f *mprog.Filter, whole bool) message {
	info := uint32(f.Priority)<<16 | uint32(networkOrder(f.Protocol))
	handle := f.Handle
	if !whole {
		handle = 0
	}
	p := header(r.ifindex, handle, f.Parent, info)
	p = appendText(p, tcKind, mprog.BPFKind)
	p = appendU32(p, tcChain, f.Chain)
	if whole {
		var o []byte
		if f.ClassID != 0 {
			o = appendU32(o, bpfClassID, f.ClassID)
		}
		if f.Name != "" {
			o = appendText(o, bpfName, f.Name)
		}
		o = appendU32(o, bpfID, f.ProgID)
		tag := r.traffic.Tag(f.ProgID)
		o = appendAttribute(o, bpfTag, tag[:])
		if f.BPFFlags != 0 {
			o = appendU32(o, bpfFlags, uint32(f.BPFFlags))
		}
		if f.GenFlags != 0 {
			o = appendU32(o, bpfGenFlags, f.GenFlags)
		}
		p = appendAttribute(p, tcOptions, o)
	}
	return message{typ: typ, flags: flags, seq: r.seq, port: r.socket.Port, body: p}
}
