package reproducer

import (
	"fmt"
	"slices"
	"strings"

	"github.com/nkconform/nkconform/mprog"
	"github.com/nkconform/nkconform/trace"
)

// checked writes the check of what r holds, and of the hook that a statement has
// touched, "" for none.
func (w *writer) checked(s *trace.Statement, hook string) error {
	return w.check(s, func(o trace.Outcome) ([]string, error) {
		var parts []string
		revision, told := o.Field("revision")
		switch {
		case hook == "" && (told || o.Listed):
			return nil, fmt.Errorf("%w: the state of a hook that no link names", ErrUnsaid)
		case o.Listed && told:
			parts = append(parts, fmt.Sprintf("hook_is(%s, %s, %s)", hook, revision, w.list(o.List)))
		case o.Listed:
			parts = append(parts, fmt.Sprintf("hook_is(%s, ANY, %s)", hook, w.list(o.List)))
		case told:
			parts = append(parts, fmt.Sprintf("revision_is(%s, %s)", hook, revision))
		}
		for _, f := range o.Fields {
			switch f.Name {
			case "revision":
			case "next_id":
				parts = append(parts, "next == "+w.id(f.Value))
			default:
				return nil, fmt.Errorf("%w: the answer's %s", ErrUnsaid, f.Name)
			}
		}
		return parts, nil
	})
}

// check writes a check of r, and of what else an outcome says.
func (w *writer) check(s *trace.Statement, says func(trace.Outcome) ([]string, error)) error {
	if s.Answer.Any {
		return nil
	}
	outcomes := s.Answer.Outcomes
	if outcomes == nil {
		outcomes = []trace.Outcome{{}}
	}
	var either []string
	for _, o := range outcomes {
		condition := "r >= 0"
		if o.Errno != 0 {
			condition = "r == -" + errno(o.Errno)
		}
		parts, err := says(o)
		if err != nil {
			return err
		}
		if len(outcomes) > 1 && len(parts) > 0 {
			either = append(either, "("+strings.Join(slices.Insert(parts, 0, condition), " && ")+")")
			continue
		}
		either = append(either, strings.Join(slices.Insert(parts, 0, condition), " && "))
	}
	w.add("check(%s, r, %d,\n\t      %s);", strings.Join(either, " || "), s.Line, quote(whole(s)))
	return nil
}

// whole is a statement with its answer.
func whole(s *trace.Statement) string {
	f := trace.File{Lines: []trace.Line{{Statement: s}}}
	return strings.Join(strings.Fields(f.String()), " ")
}

// errno is the macro of one, or its number.
func errno(e mprog.Errno) string { return e.String() }

// list is the arguments that a list takes.
func (w *writer) list(list []trace.Entry) string {
	if len(list) == 0 {
		return "EMPTY"
	}
	var entries []string
	for _, e := range trace.ExpandList(list) {
		link := "0"
		if e.Link != "" {
			link = w.id(e.Link)
		}
		entries = append(entries, fmt.Sprintf("{ %s, %s }", w.id(e.Prog), link))
	}
	return "LIST(" + strings.Join(entries, ", ") + ")"
}

func (w *writer) query(s *trace.Statement) error {
	options := ""
	cut := false // something of the attr is not what it seems
	for _, p := range s.Params {
		switch p.Key {
		case "prog_ids":
			options += ", .no_progs = 1"
		case "link_ids":
			options += ", .no_links = 1"
		case "prog_attach_flags":
			options += ", .prog_flags = 1"
		case "link_attach_flags":
			options += ", .link_flags = 1"
		case "count":
			if n := number(p.Value); n == "0" {
				options += ", .count = -1"
			} else {
				options += ", .count = " + n
			}
		default:
			cut = cut || p.Key == "size" || p.Key == "junk"
			options += fmt.Sprintf(", .%s = %s", p.Key, number(p.Value))
		}
	}
	w.add("r = prog_query(%s%s);", w.hook(s.Operands[0]), options)
	return w.check(s, func(o trace.Outcome) ([]string, error) {
		var parts []string
		if cut && (len(o.Fields) > 0 || o.Listed) {
			return nil, fmt.Errorf("%w: what a query writes to an attr that is cut or damaged", ErrUnsaid)
		}
		for _, f := range o.Fields {
			switch f.Name {
			case "prog_attach_flags":
				parts = append(parts, "flags_are(answer.prog_flags, "+numbers(f.Value)+")")
			case "link_attach_flags":
				parts = append(parts, "flags_are(answer.link_flags, "+numbers(f.Value)+")")
			case "revision":
				parts = append(parts, "answer.revision == "+f.Value+"ULL")
			default:
				parts = append(parts, "answer."+f.Name+" == "+f.Value)
			}
		}
		if o.Listed {
			parts = append(parts, "listed("+w.list(o.List)+")")
		}
		return parts, nil
	})
}

// numbers is the arguments that an array of flags takes.
func numbers(value string) string {
	var list []string
	if value != "none" {
		for part := range strings.SplitSeq(value, ",") {
			n, times, _ := strings.Cut(part, "*")
			count := 1
			if times != "" {
				_, _ = fmt.Sscan(times, &count)
			}
			list = append(list, slices.Repeat([]string{number(n)}, count)...)
		}
	}
	if len(list) == 0 {
		return "0, NULL"
	}
	return fmt.Sprintf("%d, (uint32_t[]){ %s }", len(list), strings.Join(list, ", "))
}

var linkTypes = map[string]string{"xdp": "BPF_LINK_TYPE_XDP", "tcx": "BPF_LINK_TYPE_TCX", "netkit": "BPF_LINK_TYPE_NETKIT"}

// info writes BPF_OBJ_GET_INFO_BY_FD. Words of the answer: of a program its type and
// id; of a link its type, id, its program's id, and what its kind has from the 4th on.
func (w *writer) info(s *trace.Statement) error {
	w.add("r = obj_info(%s);", w.fd(s.Operands[0]))
	return w.check(s, func(o trace.Outcome) ([]string, error) {
		var parts []string
		for _, f := range o.Fields {
			switch f.Name {
			case "type":
				name, ok := linkTypes[f.Value]
				if !ok || !w.links[s.Operands[0]] {
					t, _ := trace.ParseProgType(f.Value)
					if name = progTypes[t]; name == "" {
						name = fmt.Sprint(uint32(t))
					}
				}
				parts = append(parts, "info[0] == "+name)
			case "id":
				parts = append(parts, "info[1] == "+w.id(f.Value))
			case "prog_id":
				parts = append(parts, "info[2] == "+w.id(f.Value))
			case "ifindex":
				parts = append(parts, "info[4] == "+w.ifindex(f.Value))
			case "attach_type":
				t, _ := mprog.ParseAttachType(f.Value)
				parts = append(parts, "info[5] == "+attachTypes[t])
			}
		}
		return parts, nil
	})
}
