package conformance

import (
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/nkconform/nkconform/mprog"
	"github.com/nkconform/nkconform/trace"
)

func (p *player) attachRequest(s *trace.Statement, prog string) mprog.AttachRequest {
	hook := p.names.hookOf(s.Operands[0])
	return mprog.AttachRequest{
		Shape:            shapeOf(s),
		TargetIfindex:    hook.Ifindex,
		AttachFD:         resolve(prog, p.names.fd),
		AttachType:       hook.Type,
		Flags:            flagsOf(s),
		ReplaceFD:        p.fdParam(s, "replace_bpf_fd"),
		Relative:         p.relative(s),
		ExpectedRevision: number64(s, "expected_revision"),
	}
}

func (p *player) attach(s *trace.Statement) (trace.Outcome, error) {
	return p.each(s, func(prog string) error {
		return p.caller(s).ProgAttach(p.attachRequest(s, prog))
	})
}

func (p *player) detach(s *trace.Statement) (trace.Outcome, error) {
	if len(s.Operands) == 1 {
		return p.outcome(p.caller(s).ProgDetach(mprog.DetachRequest(p.attachRequest(s, "0"))))
	}
	return p.each(s, func(prog string) error {
		return p.caller(s).ProgDetach(mprog.DetachRequest(p.attachRequest(s, prog)))
	})
}

func (p *player) link(s *trace.Statement) (trace.Outcome, error) {
	name, hook := s.Operands[0], p.names.hookOf(s.Operands[1])
	fd, err := p.caller(s).LinkCreate(mprog.LinkCreateRequest{
		Shape:            shapeOf(s),
		ProgFD:           resolve(s.Operands[2], p.names.fd),
		TargetIfindex:    hook.Ifindex,
		AttachType:       hook.Type,
		Flags:            flagsOf(s),
		Relative:         p.relative(s),
		ExpectedRevision: number64(s, "expected_revision"),
	})
	if err != nil {
		return p.outcome(err)
	}
	info, err := p.caller(s).ObjectInfo(fd)
	p.names.fd[name], p.names.id[name], p.names.link[info.ID] = fd, info.ID, name
	p.names.hook[name] = p.names.placeOf(s, s.Operands[1])
	return p.outcome(err)
}

func (p *player) linkUpdate(s *trace.Statement) (trace.Outcome, error) {
	return p.outcome(p.caller(s).LinkUpdate(mprog.LinkUpdateRequest{
		Shape:     shapeOf(s),
		LinkFD:    resolve(s.Operands[0], p.names.fd),
		NewProgFD: resolve(s.Operands[1], p.names.fd),
		Flags:     flagsOf(s),
		OldProgFD: p.fdParam(s, "old_prog_fd"),
	}))
}

func (p *player) linkDetach(s *trace.Statement) (trace.Outcome, error) {
	return p.outcome(p.caller(s).LinkDetach(mprog.LinkDetachRequest{
		Shape: shapeOf(s), LinkFD: resolve(s.Operands[0], p.names.fd),
	}))
}

func (p *player) close(s *trace.Statement) (trace.Outcome, error) {
	return p.each(s, func(word string) error {
		err := p.caller(s).Close(resolve(word, p.names.fd))
		if err == nil && s.Process == "" {
			p.names.closedCgroup(word)
		}
		return err
	})
}

// queryCount is how many entries a query asks for unless told, and has room for:
// one more than a device's hook can have, and as many as a cgroup's.
const queryCount = mprog.MaxPrograms + 1

func (p *player) query(s *trace.Statement) (trace.Outcome, error) {
	hook := p.names.hookOf(s.Operands[0])
	req := mprog.QueryRequest{
		Shape:         shapeOf(s),
		TargetIfindex: hook.Ifindex,
		AttachType:    hook.Type,
		QueryFlags:    number(s, "query_flags"),
		AttachFlags:   number(s, "attach_flags"),
		Count:         queryCount,
	}
	if _, ok := s.Param("count"); ok {
		req.Count = number(s, "count")
	}
	room := queryCount
	if hook.Type.Cgroup() { // effective programs may be more
		room = min(max(room, int(req.Count)), maxRoom)
	}
	if _, null := s.Param("prog_ids"); !null {
		req.ProgIDs = make([]uint32, room)
	}
	if _, null := s.Param("link_ids"); !null && !p.names.isCgroup(s.Operands[0]) { // which has none to tell
		req.LinkIDs = make([]uint32, room)
	}
	if _, given := s.Param("prog_attach_flags"); given {
		req.ProgAttachFlags = Unwritten(make([]uint32, room))
	}
	if _, given := s.Param("link_attach_flags"); given {
		req.LinkAttachFlags = Unwritten(make([]uint32, room))
	}
	result, err := p.caller(s).ProgQuery(req)
	o, err := p.outcome(err)
	if err != nil || !writes(o.Errno) {
		return o, err
	}
	return p.answered(req, result, o.Errno), nil
}

// answered names the parts of a query's answer.
func (p *player) answered(req mprog.QueryRequest, r mprog.QueryResult, errno mprog.Errno) trace.Outcome {
	o := trace.Outcome{Errno: errno, Fields: []trace.Field{
		{Name: "revision", Value: strconv.FormatUint(r.Revision, 10)},
		{Name: "count", Value: strconv.FormatUint(uint64(r.Count), 10)},
		{Name: "attach_flags", Value: strconv.FormatUint(uint64(r.AttachFlags), 10)},
	}}
	for _, array := range []struct {
		name  string
		flags []uint32
	}{{"prog_attach_flags", req.ProgAttachFlags}, {"link_attach_flags", req.LinkAttachFlags}} {
		if array.flags != nil {
			o.Fields = append(o.Fields, trace.Field{Name: array.name, Value: Written(array.flags)})
		}
	}
	if req.ProgIDs == nil {
		return o
	}
	n := min(r.Count, req.Count)
	if errno == mprog.EFAULT {
		n = uint32(len(written(req.ProgIDs, 0)))
	}
	links := req.LinkIDs
	if links != nil {
		links = links[:n]
	}
	o.List, o.Listed = p.names.entries(req.ProgIDs[:n], links), true
	return o
}

// maxRoom is the most entries that a query has room for.
const maxRoom = 1 << 12

// wholeHook has room for the whole of a hook, and is used for each again: its state is
// asked for after every step.
type wholeHook struct{ progs, links [queryCount]uint32 }

// state queries the whole of a hook: its revision and list, or the errno that
// the query is refused with. A hook that no process sees has none.
func (p *player) state(h place) (o trace.Outcome, seen bool, err error) {
	viewer := p.viewer(h.netns)
	if viewer == nil {
		return trace.Outcome{}, false, nil
	}
	if h.filters {
		o, err := p.filters(viewer, h.Hook)
		return o, err == nil, err
	}
	req := mprog.QueryRequest{
		TargetIfindex: h.Ifindex, AttachType: h.Type, Count: queryCount,
		ProgIDs: p.whole.progs[:], LinkIDs: p.whole.links[:],
	}
	if h.Type.Cgroup() {
		req.LinkIDs = nil
	}
	r, err := viewer.ProgQuery(req)
	errno, ok := mprog.ErrnoOf(err)
	switch {
	case !ok:
		return trace.Outcome{}, false, fmt.Errorf("query %s: %w", p.names.hookName(h.Hook), err)
	case errno != 0:
		return trace.Outcome{Errno: errno}, true, nil
	}
	o = p.answered(req, r, 0)
	if h.Type.Cgroup() { // attach_flags is the hook's mode
		o.Fields = []trace.Field{o.Fields[0], o.Fields[2]}
		return o, true, nil
	}
	o.Fields = o.Fields[:1] // the count is the list's length, attach_flags nothing
	return o, true, nil
}

func (p *player) info(s *trace.Statement) (trace.Outcome, error) {
	info, err := p.caller(s).ObjectInfo(resolve(s.Operands[0], p.names.fd))
	if err != nil {
		return p.outcome(err)
	}
	if info.Kind == mprog.ProgObject {
		return trace.Outcome{Fields: []trace.Field{
			{Name: "type", Value: trace.FormatProgType(info.ProgType)},
			{Name: "id", Value: name(p.names.prog, info.ID)},
		}}, nil
	}
	target := trace.Field{Name: "ifindex", Value: name(p.names.device, info.Ifindex)}
	if info.LinkType == mprog.CgroupLink {
		target = trace.Field{Name: "cgroup_id", Value: p.names.cgroupName(info.CgroupID)}
	}
	o := trace.Outcome{Fields: []trace.Field{
		{Name: "type", Value: info.LinkType.String()},
		{Name: "id", Value: name(p.names.link, info.ID)},
		{Name: "prog_id", Value: name(p.names.prog, info.ProgID)},
		target,
	}}
	if info.LinkType != mprog.XDPLink { // of which it is not told
		o.Fields = append(o.Fields, trace.Field{Name: "attach_type", Value: info.AttachType.String()})
	}
	return o, nil
}

// hooksOf returns the hooks that a statement may change.
func (p *player) hooksOf(s *trace.Statement) []place {
	var hooks []place
	add := func(word string) {
		if h, ok := p.names.hook[word]; ok && !slices.Contains(hooks, h) {
			hooks = append(hooks, h)
		}
	}
	switch s.Verb {
	case "attach", "detach", "query", "filter", "filter-delete", "filter-list":
		hooks = append(hooks, p.names.placeOf(s, s.Operands[0]))
	case "link":
		hooks = append(hooks, p.names.placeOf(s, s.Operands[1]))
	case "link-update", "link-detach":
		add(s.Operands[0])
	case "close":
		for _, word := range s.Operands {
			names, _ := trace.Expand(word)
			for _, n := range names {
				add(n)
			}
		}
	case "unlink":
		add(p.names.pin[s.Operands[0]])
	case "exit":
		for _, name := range slices.Sorted(maps.Keys(p.names.hook)) {
			add(name)
		}
	}
	return hooks
}
