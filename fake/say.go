package fake

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/nkconform/nkconform/mprog"
	"github.com/nkconform/nkconform/trace"
)

// say writes a call as a statement, and reports whether there is one for it.
func (r *recorder) say(s *trace.Statement, c *Call) bool {
	table := c.Process.fdTable
	switch q := c.Request.(type) {
	case mprog.AttachRequest:
		r.sayAttach(s, table, q)
	case mprog.DetachRequest:
		r.sayAttach(s, table, mprog.AttachRequest(q))
		if s.Verb = "detach"; q.AttachFD == 0 {
			s.Operands = s.Operands[:1]
		}
	case mprog.QueryRequest:
		return r.sayQuery(s, table, q)
	case mprog.LinkCreateRequest:
		r.needHook(q.AttachType)
		s.Verb = "link"
		s.Operands = []string{unnamed, r.hook(table, q.TargetIfindex, q.AttachType), r.fd(table, q.ProgFD)}
		r.relative(s, table, q.Flags, q.Relative, q.ExpectedRevision)
		shape(s, q.Shape)
	case mprog.LinkUpdateRequest:
		s.Verb, s.Operands = "link-update", []string{r.fd(table, q.LinkFD), r.fd(table, q.NewProgFD)}
		flags(s, q.Flags)
		if q.OldProgFD != 0 {
			param(s, "old_prog_fd", r.fd(table, q.OldProgFD))
		}
		shape(s, q.Shape)
	case mprog.LinkDetachRequest:
		s.Verb, s.Operands = "link-detach", []string{r.fd(table, q.LinkFD)}
		shape(s, q.Shape)
	case mprog.IDRequest:
		r.sayID(s, c.Op, q)
	case mprog.PinRequest:
		s.Verb, s.Operands = "pin", []string{q.Path, r.fd(table, q.FD)}
		number(s, "file_flags", q.Flags)
		shape(s, q.Shape)
		return saidPath(q.Path)
	case mprog.GetRequest:
		s.Verb, s.Operands = "get", []string{unnamed, q.Path}
		number(s, "file_flags", q.Flags)
		shape(s, q.Shape)
		return saidPath(q.Path)
	case mprog.QdiscRequest:
		r.sayQdisc(s, c.Op, q)
	case mprog.FilterRequest:
		r.sayFilter(s, table, c.Op, q)
	case mprog.Hook:
		r.need(mprog.FeatureClsact)
		s.Verb, s.Operands = "filter-list", []string{r.hook(table, q.Ifindex, q.Type)}
	case mprog.CommandRequest:
		s.Verb, s.Operands = "bpf", []string{decimal(q.Command)}
		shape(s, q.Shape)
	default:
		return r.sayStage(s, c)
	}
	return true
}

// sayStage is say for calls that have no request of their own.
func (r *recorder) sayStage(s *trace.Statement, c *Call) bool {
	table := c.Process.fdTable
	switch q := c.Request.(type) {
	case mprog.DeviceSpec:
		return r.sayDevice(s, q)
	case mprog.ProgSpec:
		s.Verb, s.Operands = "prog", []string{unnamed}
		if q.Type != 0 && q.Type != mprog.SchedCLS {
			param(s, "type", trace.FormatProgType(q.Type))
		}
		if q.Return != 0 {
			param(s, "return", strconv.Itoa(int(q.Return)))
		}
		if q.Expected != 0 {
			param(s, "expected_attach_type", q.Expected.String())
		}
		return validProgName(q.Name)
	case mprog.CgroupSpec:
		r.need(mprog.FeatureCgroup)
		s.Verb, s.Operands = "cgroup", []string{unnamed}
		if q.Parent != 0 {
			param(s, "parent", r.fd(table, q.Parent))
		}
	case DatagramRequest:
		s.Process = r.processes[q.From]
		s.Verb, s.Operands = "datagram", []string{r.processes[q.To]}
		return s.Operands[0] != "" && (s.Process != "" || q.From == r.kernel.Process)
	case mprog.ProcessSpec:
		s.Verb, s.Operands = "process", []string{unnamed}
		if int64(q.Netns) < int64(len(r.kernel.namespaces)) && q.Netns != 0 {
			param(s, "netns", r.netns[r.kernel.namespaces[q.Netns]])
		}
		var without []string
		for _, c := range q.Without {
			without = append(without, c.String())
		}
		if without != nil {
			param(s, "without", strings.Join(without, "+"))
		}
	case MoveRequest:
		s.Verb, s.Operands = "move", []string{r.device(q.Ifindex), unnamed}
		if q.To == 0 || int64(q.To) >= int64(len(r.kernel.namespaces)) {
			return false
		}
		s.Operands[1] = r.netns[r.kernel.namespaces[q.To]]
	case mprog.Netns:
		s.Verb, s.Operands = "end", []string{unnamed}
		if q == 0 || int64(q) >= int64(len(r.kernel.namespaces)) {
			return false
		}
		s.Operands[0] = r.netns[r.kernel.namespaces[q]]
	case string:
		s.Verb, s.Operands = "unlink", []string{q}
		return saidPath(q)
	case none:
		s.Verb, s.Operands = "exit", []string{r.processes[c.Process]}
		if c.Op == mprog.OpNewNetns {
			s.Verb, s.Operands = "netns", []string{unnamed}
		} else if s.Process = ""; s.Operands[0] == "" {
			return false
		}
	case uint32:
		switch c.Op {
		case mprog.OpRemoveCgroup:
			s.Verb, s.Operands = "cgroup-remove", []string{r.fd(table, q)}
		case mprog.OpEnterCgroup:
			s.Verb, s.Operands = "cgroup-enter", []string{r.fd(table, q)}
		case mprog.OpDeleteDevice:
			s.Verb, s.Operands = "delete", []string{r.device(q)}
		case mprog.OpTransmit:
			s.Verb, s.Operands = "send", []string{r.device(q)}
		case mprog.OpObjectInfo:
			s.Verb, s.Operands = "info", []string{r.fd(table, q)}
		case mprog.OpClose:
			s.Verb, s.Operands = "close", []string{r.fd(table, q)}
		case mprog.OpDup:
			s.Verb, s.Operands = "dup", []string{unnamed, r.fd(table, q)}
		}
	default:
		s.Verb, s.Operands = string(c.Op), []string{fmt.Sprintf("%+v", q)}
		return false
	}
	return true
}

func (r *recorder) sayAttach(s *trace.Statement, table *fdTable, q mprog.AttachRequest) {
	r.needHook(q.AttachType)
	s.Verb = "attach"
	s.Operands = []string{r.hook(table, q.TargetIfindex, q.AttachType), r.fd(table, q.AttachFD)}
	r.relative(s, table, q.Flags, q.Relative, q.ExpectedRevision)
	if q.ReplaceFD != 0 {
		param(s, "replace_bpf_fd", r.fd(table, q.ReplaceFD))
	}
	shape(s, q.Shape)
}

// sayQuery fails where arrays are shorter than the count, which a trace does not
// know.
func (r *recorder) sayQuery(s *trace.Statement, table *fdTable, q mprog.QueryRequest) bool {
	r.needHook(q.AttachType)
	s.Verb, s.Operands = "query", []string{r.hook(table, q.TargetIfindex, q.AttachType)}
	if q.Count != mprog.MaxPrograms+1 {
		param(s, "count", decimal(q.Count))
	}
	number(s, "query_flags", q.QueryFlags)
	number(s, "attach_flags", q.AttachFlags)
	long := true
	for _, array := range []struct {
		key string
		ids []uint32
	}{{"prog_ids", q.ProgIDs}, {"link_ids", q.LinkIDs}} {
		if array.ids == nil {
			param(s, array.key, "null")
		}
		long = long && hasRoom(array.ids, int(q.Count))
	}
	for _, array := range []struct {
		key   string
		flags []uint32
	}{{"prog_attach_flags", q.ProgAttachFlags}, {"link_attach_flags", q.LinkAttachFlags}} {
		if array.flags != nil {
			param(s, array.key, "array")
		}
		long = long && hasRoom(array.flags, int(q.Count))
	}
	shape(s, q.Shape)
	return long && q.Count < 1<<16
}

func (r *recorder) sayID(s *trace.Statement, op mprog.Op, q mprog.IDRequest) {
	word := r.progID(q.ID)
	if op == mprog.OpLinkFDByID || op == mprog.OpLinkNextID {
		word = r.linkID(q.ID)
	}
	switch op {
	case mprog.OpProgFDByID:
		s.Verb, s.Operands = "prog-fd", []string{unnamed, word}
	case mprog.OpLinkFDByID:
		s.Verb, s.Operands = "link-fd", []string{unnamed, word}
	case mprog.OpProgNextID:
		s.Verb, s.Operands = "prog-next", []string{word}
	default:
		s.Verb, s.Operands = "link-next", []string{word}
	}
	number(s, "open_flags", q.OpenFlags)
	shape(s, q.Shape)
}

func (r *recorder) sayDevice(s *trace.Statement, q mprog.DeviceSpec) bool {
	s.Verb, s.Operands = string(q.Kind), []string{q.Name}
	switch q.Kind {
	case mprog.Netkit:
		r.need(mprog.FeatureNetkit)
		if q.Peer == "" {
			r.need(mprog.FeatureSingle)
		}
		if q.Mode == mprog.L2 {
			param(s, "mode", "l2")
		}
		if q.Policy == mprog.Blackhole {
			param(s, "policy", "blackhole")
		}
		if q.PeerPolicy == mprog.Blackhole {
			param(s, "peer_policy", "blackhole")
		}
	case mprog.Veth, mprog.Dummy:
		r.need(mprog.Feature(q.Kind))
	}
	if q.Peer != "" {
		s.Operands = append(s.Operands, q.Peer)
	}
	for i, name := range s.Operands {
		if !trace.IsName(name) || r.kernel.names[name] || slices.Contains(s.Operands[:i], name) {
			s.Operands[i] = unnamed
		}
	}
	return true
}
