package lockstep

import (
	"strconv"
	"strings"

	"github.com/nkconform/nkconform/mprog"
	"github.com/nkconform/nkconform/trace"
)

func (p *printer) statements(steps []Step) []*trace.Statement {
	var list []*trace.Statement
	for i := range steps {
		list = append(list, p.statement(&steps[i]))
	}
	return list
}

func (p *printer) statement(s *Step) *trace.Statement {
	st := &trace.Statement{Verb: verbs[s.Op]}
	if s.Process != 0 {
		st.Process = processName(s.Process)
	}
	param := func(key, value string) { st.Params = append(st.Params, trace.Param{Key: key, Value: value}) }
	nonzero := func(key string, n uint32) {
		if n != 0 {
			param(key, number(n))
		}
	}
	object := func(key string, r Ref) {
		if r != zero {
			param(key, p.object(r))
		}
	}
	hook := p.device(s.Device) + ":" + s.Type.String()
	switch s.Op {
	case Attach, Detach, Fill:
		st.Operands = []string{hook}
		switch {
		case s.Op == Fill && s.Count > 1:
			st.Operands = append(st.Operands, p.object(s.Object)+".."+p.object(slot(s.Object.Slot+int16(s.Count)-1)))
		case s.Op != Detach || s.Object != zero:
			st.Operands = append(st.Operands, p.object(s.Object))
		}
		p.position(s, param)
		object("replace_bpf_fd", s.Second)
	case Query:
		st.Operands = []string{hook}
		if s.Count != mprog.MaxPrograms+1 {
			param("count", number(s.Count))
		}
		nonzero("query_flags", s.QueryFlags)
		nonzero("attach_flags", s.AttachFlags)
		if s.NoProgIDs {
			param("prog_ids", "null")
		}
		if s.NoLinkIDs {
			param("link_ids", "null")
		}
		if s.ProgFlags {
			param("prog_attach_flags", "array")
		}
		if s.LinkFlags {
			param("link_attach_flags", "array")
		}
	case CreateLink:
		st.Operands = []string{p.made(s.Makes), hook, p.object(s.Object)}
		p.position(s, param)
	case AddQdisc, DeleteQdisc, AddFilter, DeleteFilter:
		p.tcStatement(s, st)
	case UpdateLink:
		st.Operands = []string{p.object(s.Object), p.object(s.Second)}
		if s.Flags != 0 {
			param("flags", s.Flags.String())
		}
		object("old_prog_fd", s.Third)
	case DeleteDevice, Send:
		st.Operands = []string{p.device(s.Device)}
	case MoveDevice:
		st.Operands = []string{p.device(s.Device), otherNetns}
	case EndNetns:
		st.Operands = []string{otherNetns}
	case OpenProg, OpenLink:
		st.Operands = []string{p.made(s.Makes), p.object(s.Object)}
		nonzero("open_flags", s.AttachFlags)
	case NextProg, NextLink:
		st.Operands = []string{p.object(s.Object)}
		nonzero("open_flags", s.AttachFlags)
	case Pin:
		st.Operands = []string{path(s.Path), p.object(s.Object)}
		nonzero("file_flags", s.AttachFlags)
	case Get:
		st.Operands = []string{p.made(s.Makes), path(s.Path)}
		nonzero("file_flags", s.AttachFlags)
	case Unlink:
		st.Operands = []string{path(s.Path)}
	case Dup:
		st.Operands = []string{p.made(s.Makes), p.object(s.Object)}
	case Command:
		st.Operands = []string{number(s.AttachFlags)}
	case StartProcess:
		st.Operands = []string{processName(int8(s.Makes))}
		if s.Away {
			param("netns", otherNetns)
		}
		var without []string
		for _, c := range s.Without {
			if c != 0 {
				without = append(without, c.String())
			}
		}
		if without != nil {
			param("without", strings.Join(without, "+"))
		}
	case EndProcess:
		st.Operands = []string{processName(int8(s.Makes))}
	default: // DetachLink, Info, Close
		st.Operands = []string{p.object(s.Object)}
	}
	nonzero("size", s.Size)
	nonzero("junk", s.Junk)
	return st
}

// position writes flags, the relative object and the expected revision.
func (p *printer) position(s *Step, param func(key, value string)) {
	if s.Flags != 0 {
		param("flags", s.Flags.String())
	}
	if s.Relative != zero {
		key := "relative_fd"
		if s.ByID {
			key = "relative_id"
		}
		param(key, p.object(s.Relative))
	}
	if s.expected != 0 {
		param("expected_revision", strconv.FormatUint(s.expected, 10))
	}
}

// otherNetns is what the stage's second network namespace is called.
const otherNetns = "blue"

func processName(n int8) string { return "q" + strconv.Itoa(int(n)) }

var verbs = [opEnd]string{
	Attach: "attach", Fill: "attach", Detach: "detach", Query: "query", CreateLink: "link",
	UpdateLink: "link-update", DetachLink: "link-detach", Info: "info", Close: "close", DeleteDevice: "delete", MoveDevice: "move",
	OpenProg: "prog-fd", OpenLink: "link-fd", NextProg: "prog-next", NextLink: "link-next", Pin: "pin",
	Get: "get", Unlink: "unlink", Dup: "dup", Command: "bpf", StartProcess: "process", EndProcess: "exit",
	EndNetns: "end", Send: "send", AddQdisc: "qdisc", DeleteQdisc: "qdisc-delete", AddFilter: "filter", DeleteFilter: "filter-delete",
}
