package fake

import (
	"github.com/nkconform/nkconform/mprog"
	"github.com/nkconform/nkconform/trace"
)

func (r *recorder) sayQdisc(s *trace.Statement, op mprog.Op, q mprog.QdiscRequest) {
	r.need(mprog.FeatureClsact)
	s.Verb, s.Operands = "qdisc", []string{r.device(q.Ifindex)}
	if q.Kind != "" {
		s.Operands = append(s.Operands, string(q.Kind))
	}
	number(s, "handle", q.Handle)
	if op == mprog.OpQdiscDelete {
		s.Verb = "qdisc-delete"
		return
	}
	nlFlags(s, q.Flags)
}

func (r *recorder) sayFilter(s *trace.Statement, table *fdTable, op mprog.Op, q mprog.FilterRequest) {
	r.need(mprog.FeatureClsact)
	s.Verb, s.Operands = "filter", []string{r.hook(table, q.Ifindex, q.Type)}
	deletes := op == mprog.OpFilterDelete
	if deletes {
		s.Verb = "filter-delete"
	} else {
		s.Operands = append(s.Operands, r.fd(table, q.FD))
	}
	number(s, "prio", uint32(q.Priority))
	number(s, "handle", q.Handle)
	switch {
	case deletes:
		number(s, "protocol", uint32(q.Protocol))
	case q.Protocol != mprog.AnyProtocol:
		param(s, "protocol", decimal(uint32(q.Protocol)))
	}
	number(s, "chain", q.Chain)
	if deletes {
		return
	}
	if q.BPFFlags != mprog.DirectAction {
		param(s, "bpf_flags", decimal(uint32(q.BPFFlags)))
	}
	nlFlags(s, q.Flags)
}

// nlFlags writes the flags of a request, unless they are those of one for something
// that is not there yet.
func nlFlags(s *trace.Statement, f mprog.NLFlags) {
	if f != mprog.NLCreate|mprog.NLExcl {
		param(s, "nlmsg_flags", f.String())
	}
}

// filters writes the list of a hook's filters.
func (r *recorder) filters(o *trace.Outcome, list []mprog.Filter) {
	ids := make([]uint32, len(list))
	for i, f := range list {
		ids[i] = f.ProgID
	}
	o.List, o.Listed = r.entries(ids, nil), true
	if len(list) > 0 {
		o.Fields = trace.FilterFields(list)
	}
}
