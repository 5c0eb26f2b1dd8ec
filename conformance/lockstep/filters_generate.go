package lockstep

import (
	"strconv"

	"github.com/nkconform/nkconform/mprog"
	"github.com/nkconform/nkconform/trace"
)

// pick chooses one of a list.
func pick[T any](g *generator, list ...T) T { return list[g.intn(len(list))] }

// Flags of requests as programs make them: add, replace, change, and others.
var nlFlags = []mprog.NLFlags{
	mprog.NLCreate | mprog.NLExcl, mprog.NLCreate, mprog.NLCreate | mprog.NLReplace, 0, mprog.NLReplace,
	mprog.NLExcl, mprog.NLCreate | mprog.NLReplace | mprog.NLExcl, mprog.NLAppend, mprog.NLCreate | mprog.NLAppend,
}

// trafficControl makes up a request about a qdisc or a filter, mostly on a device
// that has a qdisc.
func (g *generator) trafficControl(s *Step, wild bool) {
	if !s.Type.TCX() {
		s.Type = pick(g, mprog.TCXIngress, mprog.TCXEgress)
	}
	s.TC.Flags = nlFlags[0]
	if s.Op != AddQdisc {
		for _, n := range g.w.qdiscs {
			if g.chance(80) {
				s.Device = slot(n)
			}
		}
	}
	if wild {
		s.TC.Flags = pick(g, nlFlags...)
		if g.chance(30) {
			s.Device = g.anyDevice()
		}
	}
	switch s.Op {
	case AddQdisc, DeleteQdisc:
		s.TC.Kind = mprog.Clsact
		if g.chance(20) {
			s.TC.Kind = mprog.Ingress
		}
		if wild {
			s.TC.Handle = pick[uint32](g, 0, 0, 0xffff0000, 0xffff0000, 0x10000, 0xffff0001, 0x10001)
		}
		if s.Op == DeleteQdisc && g.chance(40) {
			s.TC.Kind = ""
		}
	case AddFilter:
		g.addFilter(s, wild)
	case DeleteFilter:
		g.deleteFilter(s, wild)
	}
}

// parents are numbers for tcm_parent, most of which are wrong.
var parents = []mprog.AttachType{0xffff0000, 0xffff0001, 0xfffffff1, 0xfffffff2, 0xfffffff3, 0xfffe0000}

func (g *generator) addFilter(s *Step, wild bool) {
	t := &s.TC
	s.Object, t.Protocol, t.BPFFlags = g.anyProgram(), mprog.AnyProtocol, mprog.DirectAction
	t.Priority = pick[uint16](g, 1, 1, 2, 3, 0)
	if g.chance(10) {
		t.Chain = pick[uint32](g, 1, 7)
	}
	if g.chance(40) {
		t.Flags = pick(g, nlFlags...)
	}
	if f, ok := g.filter(s); ok && g.chance(40) { // replace it
		t.Priority, t.Handle, t.Chain = f.Priority, f.Handle, f.Chain
		t.Flags = pick(g, nlFlags[1:5]...)
	} else if g.chance(20) {
		t.Handle = pick[uint32](g, 1, 2, 3, 5, 0xffffffff)
	}
	if !wild {
		return
	}
	t.Priority = pick[uint16](g, 0, 0, 1, 2, 32767, 32768, 32769, 49151, 49152, 49153, 65535)
	t.Protocol = pick[uint16](g, 3, 3, 0x800, 0x88b5, 0)
	t.Chain = pick[uint32](g, 0, 0, 0, 1, 7, 0xfffffff, 0x10000000)
	t.BPFFlags = pick[mprog.BPFFlags](g, 1, 1, 1, 0, 2)
	if g.chance(20) {
		s.Type = pick(g, parents...)
	}
	if g.chance(30) {
		s.Object = g.anyObject()
	}
}

func (g *generator) deleteFilter(s *Step, wild bool) {
	t := &s.TC
	f, ok := g.filter(s)
	if ok {
		t.Priority, t.Handle, t.Chain = f.Priority, f.Handle, f.Chain
	}
	switch g.intn(6) {
	case 0:
		t.Handle = 0
	case 1:
		t.Priority, t.Handle = 0, 0
	}
	if !wild {
		return
	}
	t.Priority = pick(g, t.Priority, t.Priority, 0, 1, 2, 49152)
	t.Protocol = pick[uint16](g, 0, 0, 3, 0x800)
	t.Handle = pick(g, t.Handle, 0, 1, 2, 7)
	t.Chain = pick(g, t.Chain, t.Chain, 0, 1, 0x10000000)
	if g.chance(20) {
		s.Type = pick(g, parents...)
	}
}

// filter chooses a filter of the hook that a step is about.
func (g *generator) filter(s *Step) (Filter, bool) {
	for _, f := range g.w.filters {
		if list := f.answer.Filters; f.Device == s.Device.Slot && f.Type == s.Type && len(list) > 0 {
			return list[g.intn(len(list))], true
		}
	}
	return Filter{}, false
}

// tcStatement writes a request about a qdisc or a filter.
func (p *printer) tcStatement(s *Step, st *trace.Statement) {
	param := func(key, value string) { st.Params = append(st.Params, trace.Param{Key: key, Value: value}) }
	nonzero := func(key string, n uint32) {
		if n != 0 {
			param(key, strconv.FormatUint(uint64(n), 10))
		}
	}
	t := &s.TC
	switch s.Op {
	case AddQdisc, DeleteQdisc:
		st.Operands = []string{p.device(s.Device)}
		if t.Kind != "" {
			st.Operands = append(st.Operands, string(t.Kind))
		}
	default:
		st.Operands = []string{p.device(s.Device) + ":" + s.Type.String()}
		nonzero("prio", uint32(t.Priority))
	}
	nonzero("handle", t.Handle)
	nonzero("chain", t.Chain)
	switch s.Op {
	case DeleteFilter:
		nonzero("protocol", uint32(t.Protocol))
	case AddFilter:
		st.Operands = append(st.Operands, p.object(s.Object))
		if t.Protocol != mprog.AnyProtocol {
			param("protocol", strconv.Itoa(int(t.Protocol)))
		}
		if t.BPFFlags != mprog.DirectAction {
			param("bpf_flags", strconv.Itoa(int(t.BPFFlags)))
		}
	}
	if (s.Op == AddQdisc || s.Op == AddFilter) && t.Flags != nlFlags[0] {
		param("nlmsg_flags", t.Flags.String())
	}
}

// filters writes a list of filters.
func (p *printer) filters(o *trace.Outcome, list []Filter) {
	plain := make([]mprog.Filter, len(list))
	for i, f := range list {
		plain[i] = f.Filter
		o.List = append(o.List, trace.Entry{Prog: p.object(slotOrUnknown(f.Prog))})
	}
	o.Fields, o.Listed = trace.FilterFields(plain), true
	for _, f := range list { // which no trace tells
		o.Fields = append(o.Fields, trace.Field{Name: "parent", Value: strconv.FormatUint(uint64(f.Parent), 16)})
	}
}
