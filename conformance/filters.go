package conformance

import (
	"fmt"

	"github.com/nkconform/nkconform/mprog"
	"github.com/nkconform/nkconform/trace"
)

// trafficControl returns who makes a statement's request of rtnetlink.
func trafficControl(k mprog.Kernel) (mprog.TrafficControl, error) {
	tc, ok := k.(mprog.TrafficControl)
	if !ok {
		return nil, fmt.Errorf("%w: qdiscs and filters", mprog.ErrUnsupported)
	}
	return tc, nil
}

func (p *player) qdisc(s *trace.Statement) (trace.Outcome, error) {
	tc, err := trafficControl(p.caller(s))
	if err != nil {
		return trace.Outcome{}, err
	}
	r := mprog.QdiscRequest{Ifindex: resolve(s.Operands[0], p.names.ifindex), Handle: number(s, "handle")}
	if len(s.Operands) > 1 {
		r.Kind = mprog.QdiscKind(s.Operands[1])
	}
	if s.Verb == "qdisc-delete" {
		return p.outcome(tc.QdiscDelete(r))
	}
	r.Flags = nlFlags(s)
	return p.outcome(tc.QdiscAdd(r))
}

func (p *player) filter(s *trace.Statement) (trace.Outcome, error) {
	tc, err := trafficControl(p.caller(s))
	if err != nil {
		return trace.Outcome{}, err
	}
	r := mprog.FilterRequest{
		Hook: p.names.hookOf(s.Operands[0]), Handle: number(s, "handle"), Priority: uint16(number(s, "prio")),
		Protocol: uint16(number(s, "protocol")), Chain: number(s, "chain"),
	}
	if s.Verb == "filter-delete" {
		return p.outcome(tc.FilterDelete(r))
	}
	if _, given := s.Param("protocol"); !given {
		r.Protocol = mprog.AnyProtocol
	}
	r.Kind, r.FD, r.Flags, r.BPFFlags = mprog.BPFKind, resolve(s.Operands[1], p.names.fd), nlFlags(s), mprog.DirectAction
	if _, given := s.Param("bpf_flags"); given {
		r.BPFFlags = mprog.BPFFlags(number(s, "bpf_flags"))
	}
	return p.outcome(tc.FilterAdd(r))
}

func (p *player) filterList(s *trace.Statement) (trace.Outcome, error) {
	return p.filters(p.caller(s), p.names.hookOf(s.Operands[0]))
}

// filters lists the filters of a hook.
func (p *player) filters(k mprog.Kernel, h mprog.Hook) (trace.Outcome, error) {
	tc, err := trafficControl(k)
	if err != nil {
		return trace.Outcome{}, err
	}
	list, err := tc.FilterList(h)
	if err != nil {
		return p.outcome(err)
	}
	ids := make([]uint32, len(list))
	for i, f := range list {
		ids[i] = f.ProgID
	}
	o := trace.Outcome{List: p.names.entries(ids, nil), Listed: true}
	if len(list) > 0 {
		o.Fields = trace.FilterFields(list)
	}
	return o, nil
}

// nlFlags are those of a request for something new: unless it says otherwise, it
// must not be there.
func nlFlags(s *trace.Statement) mprog.NLFlags {
	v, given := s.Param("nlmsg_flags")
	if !given {
		return mprog.NLCreate | mprog.NLExcl
	}
	f, _ := mprog.ParseNLFlags(v)
	return f
}
