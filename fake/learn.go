package fake

import (
	"strconv"
	"strings"

	"github.com/nkconform/nkconform/mprog"
	"github.com/nkconform/nkconform/trace"
)

// unnamed stands in a statement for the name of what it makes.
const unnamed = "?"

// learn gives what a call has made its names, and fills them in.
func (r *recorder) learn(s *trace.Statement, c *Call, a any) {
	switch q := c.Request.(type) {
	case mprog.DeviceSpec:
		names, pair := []string{q.Name, q.Peer}, a.([2]uint32)
		for i, ifindex := range pair[:len(s.Operands)] {
			if s.Operands[i] == unnamed {
				s.Operands[i] = r.kernel.names.claim(names[i], "device")
			}
			r.kernel.names[s.Operands[i]] = true
			r.ifindexes[s.Operands[i]], r.devices[ifindex] = ifindex, s.Operands[i]
		}
	case mprog.ProgSpec:
		p := c.Process.files[a.(uint32)].(*program)
		r.progs[p] = true
		r.opened(s, c, a.(uint32), p.label(), mprog.Hook{})
	case mprog.CgroupSpec:
		made := a.(madeCgroup)
		name := r.kernel.names.claim(q.Name, r.invent("g"))
		r.cgroups[made.ID] = name
		r.opened(s, c, made.FD, name, mprog.Hook{})
	case mprog.LinkCreateRequest:
		l := c.Process.files[a.(uint32)].(*link)
		hook := mprog.Hook{Ifindex: q.TargetIfindex, Type: q.AttachType}
		if c.Process.net != r.kernel.namespaces[0] {
			hook = mprog.Hook{}
		}
		r.links[l] = hook
		r.opened(s, c, a.(uint32), l.label(), hook)
	case mprog.IDRequest:
		if c.Op == mprog.OpProgFDByID || c.Op == mprog.OpLinkFDByID {
			r.opened(s, c, a.(uint32), r.invent("x"), r.objects[s.Operands[1]])
		}
	case mprog.GetRequest:
		r.opened(s, c, a.(uint32), r.invent("x"), r.objects[r.pins[q.Path]])
	case mprog.PinRequest:
		r.pins[q.Path] = s.Operands[1]
	case mprog.ProcessSpec:
		child := a.(*Process)
		r.processes[child] = r.invent("q")
		s.Operands[0] = r.processes[child]
		for h, name := range r.fds {
			if h.table == c.Process.fdTable {
				r.fds[handle{child.fdTable, h.fd}] = name
			}
		}
	case MoveRequest:
		ifindex := a.(uint32)
		r.ifindexes[s.Operands[0]], r.devices[ifindex] = ifindex, s.Operands[0]
	case none:
		if c.Op == mprog.OpNewNetns {
			n := r.kernel.namespaces[a.(mprog.Netns)]
			r.netns[n] = r.invent("n")
			s.Operands[0] = r.netns[n]
		}
	case uint32:
		if c.Op == mprog.OpDup {
			r.opened(s, c, a.(uint32), r.invent("x"), r.objects[s.Operands[1]])
		}
	}
}

// opened names a new fd.
func (r *recorder) opened(s *trace.Statement, c *Call, fd uint32, name string, hook mprog.Hook) {
	s.Operands[0] = name
	r.fds[handle{c.Process.fdTable, fd}] = name
	if hook != (mprog.Hook{}) {
		r.objects[name] = hook
	}
}

// outcome writes an answer, with the state that the call has left behind.
func (r *recorder) outcome(s *trace.Statement, c *Call, a any, errno mprog.Errno) (o trace.Outcome) {
	o.Errno = errno
	if errno != 0 && s.Operands[0] == unnamed {
		s.Operands[0] = r.free()
	}
	switch q := c.Request.(type) {
	case mprog.QueryRequest:
		if errno == 0 || errno == mprog.ENOSPC {
			r.queried(&o, q, a.(mprog.QueryResult))
		}
		return o
	case mprog.LinkCreateRequest:
		if errno != 0 {
			s.Operands[0] = r.free()
		}
	}
	if errno != 0 {
		return o
	}
	switch answer := a.(type) {
	case []mprog.Filter:
		r.filters(&o, answer)
	case mprog.ObjectInfo:
		r.described(&o, answer)
	case mprog.Delivery:
		o.Fields = []trace.Field{{Name: "packet", Value: "dropped"}}
		if answer.Delivered {
			o.Fields[0].Value = "delivered"
		}
		o.Listed, o.List = true, r.entries(answer.Ran, nil)
	case uint32:
		switch c.Op {
		case mprog.OpProgNextID:
			o.Fields = []trace.Field{{Name: "next_id", Value: r.progID(answer)}}
		case mprog.OpLinkNextID:
			o.Fields = []trace.Field{{Name: "next_id", Value: r.linkID(answer)}}
		}
	}
	r.changed(&o, s, c)
	return o
}

// free returns a name for what was not made: one that nothing has.
func (r *recorder) free() string {
	name := "none"
	for i := 2; r.kernel.names[name]; i++ {
		name = "none_" + strconv.Itoa(i)
	}
	return name
}

// changed writes the state of the one hook that a statement names.
func (r *recorder) changed(o *trace.Outcome, s *trace.Statement, c *Call) {
	var hook mprog.Hook
	switch s.Verb {
	case "attach", "detach", "link":
		if c.Process.net == r.kernel.namespaces[0] {
			hook = c.Hook
		}
	case "link-update", "link-detach", "close":
		hook = r.objects[s.Operands[0]]
	case "unlink":
		hook = r.objects[r.pins[s.Operands[0]]]
	}
	if hook.Type.Cgroup() {
		r.cgroupChanged(o, c.Process, hook)
		return
	}
	if hook == (mprog.Hook{}) {
		return
	}
	state := r.kernel.hookState(hook.Ifindex, hook.Type)
	if state.Err != 0 {
		return
	}
	o.Fields = []trace.Field{{Name: "revision", Value: strconv.FormatUint(state.Revision, 10)}}
	o.Listed, o.List = true, []trace.Entry{}
	for word := range strings.FieldsSeq(state.Programs) {
		prog, link, _ := strings.Cut(word, "@")
		o.List = append(o.List, trace.Entry{Prog: prog, Link: link})
	}
}

// cgroupChanged writes the state of a cgroup's hook, whose links nobody tells.
func (r *recorder) cgroupChanged(o *trace.Outcome, p *Process, hook mprog.Hook) {
	g, ok := p.files[hook.Ifindex].(*cgroup)
	if !ok || g.removed || r.kernel.missing[mprog.FeatureCgroup] {
		return
	}
	h := g.hook(hook.Type)
	o.Fields = []trace.Field{{Name: "attach_flags", Value: decimal(uint32(h.mode))}}
	o.Listed, o.List = true, []trace.Entry{}
	for _, e := range h.list {
		o.List = append(o.List, trace.Entry{Prog: r.progID(e.prog.id)})
	}
}

// queried writes the answer of a query as scenarios do.
func (r *recorder) queried(o *trace.Outcome, q mprog.QueryRequest, a mprog.QueryResult) {
	o.Fields = []trace.Field{{Name: "revision", Value: strconv.FormatUint(a.Revision, 10)}}
	n := min(a.Count, q.Count)
	if q.ProgIDs == nil || n != a.Count {
		o.Fields = append(o.Fields, trace.Field{Name: "count", Value: decimal(a.Count)})
	}
	if q.ProgIDs == nil {
		return
	}
	for _, array := range []struct {
		name  string
		flags []uint32
	}{{"prog_attach_flags", q.ProgAttachFlags}, {"link_attach_flags", q.LinkAttachFlags}} {
		untold := q.AttachType.Cgroup() && array.name == "link_attach_flags"
		if array.flags != nil && q.Shape == (mprog.Shape{}) && !untold { // else it may be cut off
			o.Fields = append(o.Fields, trace.Field{Name: array.name, Value: trace.FormatNumbers(array.flags[:n])})
		}
	}
	links := q.LinkIDs
	if links != nil {
		links = links[:n]
	}
	o.Listed, o.List = true, r.entries(q.ProgIDs[:n], links)
}

func (r *recorder) entries(progs, links []uint32) []trace.Entry {
	list := make([]trace.Entry, len(progs))
	for i, id := range progs {
		list[i].Prog = r.progID(id)
		if links != nil && links[i] != 0 {
			list[i].Link = r.linkID(links[i])
		}
	}
	return list
}

// described writes what is told of an object.
func (r *recorder) described(o *trace.Outcome, info mprog.ObjectInfo) {
	if info.Kind == mprog.ProgObject {
		o.Fields = []trace.Field{
			{Name: "type", Value: trace.FormatProgType(info.ProgType)}, {Name: "id", Value: r.progID(info.ID)},
		}
		return
	}
	device := decimal(info.Ifindex)
	if name, ok := r.devices[info.Ifindex]; ok {
		device = name
	}
	target := trace.Field{Name: "ifindex", Value: device}
	if info.LinkType == mprog.CgroupLink {
		target = trace.Field{Name: "cgroup_id", Value: "0"}
		if name, ok := r.cgroups[info.CgroupID]; ok {
			target.Value = name
		}
	}
	o.Fields = []trace.Field{
		{Name: "type", Value: info.LinkType.String()}, {Name: "id", Value: r.linkID(info.ID)},
		{Name: "prog_id", Value: r.progID(info.ProgID)}, target,
	}
	if info.LinkType != mprog.XDPLink {
		o.Fields = append(o.Fields, trace.Field{Name: "attach_type", Value: info.AttachType.String()})
	}
}
