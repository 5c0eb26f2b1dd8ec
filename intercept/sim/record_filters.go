package sim

import (
	"errors"
	"strconv"

	"github.com/nkconform/nkconform/mprog"
	"github.com/nkconform/nkconform/trace"
)

// qdisc notes a request about a qdisc.
func (r *recorder) qdisc(c Caller, op mprog.Op, q mprog.QdiscRequest, err error) {
	if r == nil {
		return
	}
	r.speakIn(c.Netns())
	defer r.giveBack()
	if injected(err) {
		r.comment("injected: %s: %v", op, err)
		return
	}
	r.need(string(mprog.FeatureClsact))
	s := &trace.Statement{Verb: "qdisc", Operands: []string{r.device(q.Ifindex)}}
	switch q.Kind {
	case "":
	case mprog.Clsact, mprog.Ingress:
		s.Operands = append(s.Operands, string(q.Kind))
	default:
		r.lines = append(r.lines, trace.Line{Comment: "# cannot be said: a qdisc of another kind"})
		return
	}
	if q.Handle != 0 {
		param(s, "handle", "0x"+strconv.FormatUint(uint64(q.Handle), 16))
	}
	if op == mprog.OpQdiscDelete {
		s.Verb = "qdisc-delete"
	} else {
		r.nlFlags(s, q.Flags)
	}
	r.refused(s, err)
	r.say(s)
}

// injected reports whether an error is no refusal of the kernel's.
func injected(err error) bool {
	if _, answered := mprog.ErrnoOf(err); err == nil || !answered {
		return false
	}
	var refusal *mprog.Error
	return !errors.As(err, &refusal) || refusal.Rule == "injected"
}

// cannotSay notes a request for which traces have no words.
func (r *recorder) cannotSay(c Caller, q mprog.XDPRequest, err error) {
	if r == nil {
		return
	}
	r.speakIn(c.Netns())
	defer r.giveBack()
	what := "an XDP program for"
	if q.FD < 0 {
		what = "no XDP program for"
	}
	outcome := "success"
	if errno, _ := mprog.ErrnoOf(err); errno != 0 {
		outcome = errno.String()
	}
	r.comment("cannot be said: by rtnetlink, %s %s: %s", what, r.device(q.Ifindex), outcome)
}

func (r *recorder) nlFlags(s *trace.Statement, f mprog.NLFlags) {
	if f != mprog.NLCreate|mprog.NLExcl {
		param(s, "nlmsg_flags", f.String())
	}
}

func (r *recorder) refused(s *trace.Statement, err error) {
	if errno, ok := mprog.ErrnoOf(err); ok && errno != 0 {
		s.Answer.Outcomes = []trace.Outcome{{Errno: errno}}
	}
}

// filter notes a request about a filter, with the list that follows.
func (r *recorder) filter(c Caller, op mprog.Op, q mprog.FilterRequest, err error) {
	if r == nil {
		return
	}
	r.speakIn(c.Netns())
	defer r.giveBack()
	if injected(err) {
		r.comment("injected: %s: %v", op, err)
		return
	}
	if _, answered := mprog.ErrnoOf(err); !answered || q.Kind != "" && q.Kind != mprog.BPFKind || q.GenFlags != 0 {
		r.lines = append(r.lines, trace.Line{Comment: "# cannot be said: a filter that is not of cls_bpf, or asks for hardware"})
		return
	}
	r.need(string(mprog.FeatureClsact))
	s := &trace.Statement{Verb: "filter", Operands: []string{r.device(q.Ifindex) + ":" + q.Type.String()}}
	number := func(key string, n uint32) {
		if n != 0 {
			param(s, key, strconv.FormatUint(uint64(n), 10))
		}
	}
	number("prio", uint32(q.Priority))
	number("handle", q.Handle)
	number("chain", q.Chain)
	if op == mprog.OpFilterDelete {
		s.Verb = "filter-delete"
		number("protocol", uint32(q.Protocol))
	} else {
		s.Operands = append(s.Operands, r.fd(c, q.FD))
		if q.Protocol != mprog.AnyProtocol {
			param(s, "protocol", strconv.Itoa(int(q.Protocol)))
		}
		if q.BPFFlags != mprog.DirectAction {
			param(s, "bpf_flags", strconv.Itoa(int(q.BPFFlags)))
		}
		r.nlFlags(s, q.Flags)
	}
	if r.nameless {
		r.nameless = false
		r.lines = append(r.lines, trace.Line{Comment: "# cannot be said: " + s.Verb + " of what has no name here"})
		return
	}
	if r.refused(s, err); err == nil {
		r.filters(s, q.Hook)
	}
	r.say(s)
}

// filters writes down the filters of a hook, if the trace knows all their programs.
func (r *recorder) filters(s *trace.Statement, h mprog.Hook) {
	list, err := r.sim.resident(r.speaker.netns).Unseen().FilterList(h)
	if err != nil {
		return
	}
	o := trace.Outcome{Listed: true}
	if len(list) > 0 {
		o.Fields = trace.FilterFields(list)
	}
	for _, f := range list {
		name := r.names[Prog][f.ProgID]
		if name == "" {
			return
		}
		o.List = append(o.List, trace.Entry{Prog: name})
	}
	s.Answer.Outcomes = []trace.Outcome{o}
}
