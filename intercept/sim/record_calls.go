package sim

import (
	"fmt"

	"github.com/nkconform/nkconform/fake"
	"github.com/nkconform/nkconform/mprog"
	"github.com/nkconform/nkconform/trace"
)

func (r *recorder) comment(format string, args ...any) {
	r.lines = append(r.lines, trace.Line{Comment: "# " + fmt.Sprintf(format, args...)})
}

// testify notes what has become of a call, before anybody else can act.
func (s *Sim) testify(k *call, c *fake.Call, at fake.Stage, answer any, err error) {
	switch c.Op {
	case mprog.OpQdiscAdd, mprog.OpQdiscDelete, mprog.OpFilterAdd, mprog.OpFilterDelete, mprog.OpFilterList, mprog.OpXDPSet:
		return // no calls of bpf(2), and noted by who makes them
	}
	if s.record == nil || k.caller == nil {
		return
	}
	switch at {
	case fake.Made:
		r := s.record
		var made uint32 // the id of a link
		if fd, ok := answer.(uint32); ok && err == nil && c.Op == mprog.OpLinkCreate {
			info, _ := c.Process.Unseen().ObjectInfo(fd) // just opened
			made = info.ID
		}
		r.note(k.caller, c.Op, made, c.Request, err)
	case fake.Prevented:
		r := s.written()
		r.comment("injected, not made: %s: %v", r.describe(k.caller, c), err)
	case fake.Lost:
		r := s.written()
		r.comment("injected into the answer: %s: %v", r.describe(k.caller, c), err)
	}
}

// describe says a call on which no answer depends.
func (r *recorder) describe(c Caller, made *fake.Call) string {
	defer func() { r.nameless = false }()
	if c.Netns() != r.home {
		return string(made.Op)
	}
	r.speaker = speaker{netns: r.home}
	if s := r.statement(c, made.Request); s != nil {
		return s.Call()
	}
	return string(made.Op)
}

// request writes a call about a hook that was answered.
func (r *recorder) request(k *pendingCall) {
	switch q := k.request.(type) {
	case mprog.LinkUpdateRequest:
		r.speakFor(k.fds.link(q.LinkFD))
	case mprog.LinkDetachRequest:
		r.speakFor(k.fds.link(q.LinkFD))
	default:
		r.speakIn(k.netns)
	}
	s := r.statement(&k.fds, k.request)
	if s.Verb == "link" && k.err == nil && !r.nameless {
		s.Operands[0] = r.claim(Link, k.made, "")
		if k.netns != r.home {
			r.owners[k.made] = k.netns
		}
	}
	r.change(s, k)
}

// statement says a call about a hook, nil for any other. A link has a name that
// stays free.
func (r *recorder) statement(c Caller, request any) (s *trace.Statement) {
	switch q := request.(type) {
	case mprog.AttachRequest:
		h := mprog.Hook{Ifindex: q.TargetIfindex, Type: q.AttachType}
		s = &trace.Statement{Verb: "attach", Operands: []string{r.hook(h), r.fd(c, q.AttachFD)}}
		r.position(s, c, q.Flags, q.Relative, q.ExpectedRevision, q.Size)
		if q.ReplaceFD != 0 {
			param(s, "replace_bpf_fd", r.fd(c, q.ReplaceFD))
		}
	case mprog.DetachRequest:
		h := mprog.Hook{Ifindex: q.TargetIfindex, Type: q.AttachType}
		s = &trace.Statement{Verb: "detach", Operands: []string{r.hook(h)}}
		if q.AttachFD != 0 {
			s.Operands = append(s.Operands, r.fd(c, q.AttachFD))
		}
		r.position(s, c, q.Flags, q.Relative, q.ExpectedRevision, q.Size)
	case mprog.LinkCreateRequest:
		h := mprog.Hook{Ifindex: q.TargetIfindex, Type: q.AttachType}
		s = &trace.Statement{Verb: "link", Operands: []string{"refused", r.hook(h), r.fd(c, q.ProgFD)}}
		r.position(s, c, q.Flags, q.Relative, q.ExpectedRevision, q.Size)
	case mprog.LinkUpdateRequest:
		s = &trace.Statement{Verb: "link-update", Operands: []string{r.fd(c, q.LinkFD), r.fd(c, q.NewProgFD)}}
		if q.Flags != 0 {
			param(s, "flags", q.Flags.String())
		}
		if q.OldProgFD != 0 {
			param(s, "old_prog_fd", r.fd(c, q.OldProgFD))
		}
	case mprog.LinkDetachRequest:
		s = &trace.Statement{Verb: "link-detach", Operands: []string{r.fd(c, q.LinkFD)}}
	}
	return s
}

func (r *recorder) hookOf(c Caller, fd uint32) recordedPlace {
	if o, _ := c.Object(fd); o != nil && o.Kind == Link {
		return r.hooks[o.ID]
	}
	return recordedPlace{}
}

// pinned notes a pin: what it refers to is closed no earlier than it is gone.
func (r *recorder) pinned(path string, o *Object) {
	if r == nil || o.Kind > Link || r.names[o.Kind][o.ID] == "" {
		return
	}
	r.comment("pinned, which keeps it open: %q %s", path, r.names[o.Kind][o.ID])
}
