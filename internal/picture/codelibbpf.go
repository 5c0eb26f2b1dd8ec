package picture

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/nkconform/nkconform/mprog"
	"github.com/nkconform/nkconform/trace"
)

// opts writes a struct of libbpf's options, "" where all of them are 0.
func (w writer) opts(kind string, fields []string) (text, argument string) {
	if len(fields) == 0 {
		return "", "NULL"
	}
	return fmt.Sprintf("LIBBPF_OPTS(%s, opts,\n    %s);\n", kind, strings.Join(fields, ",\n    ")), "&opts"
}

// optFields are the options that attaching, detaching and links have in common. An id
// says BPF_F_ID by itself.
func (w writer) optFields() (fields []string) {
	f, relative := w.flags(), w.relative()
	byID := w.param("relative_id") != "" && f&mprog.ID != 0
	if byID {
		f &^= mprog.ID
	}
	if f != 0 {
		fields = append(fields, ".flags = "+constants(f))
	}
	if r := w.param("replace_bpf_fd"); r != "" {
		fields = append(fields, ".replace_prog_fd = "+variable(r, "fd"))
	}
	switch {
	case relative == "":
	case byID:
		fields = append(fields, ".relative_id = "+variable(relative, "id"))
	default:
		fields = append(fields, ".relative_fd = "+variable(relative, "fd"))
	}
	if r := w.param("expected_revision"); r != "" {
		fields = append(fields, ".expected_revision = "+unsigned(r))
	}
	return fields
}

// unsigned is a number as C wants it: with a u where it is larger than what has a sign.
func unsigned(number string) string {
	if n, err := strconv.ParseUint(number, 10, 64); err == nil && n > math.MaxInt64 {
		return number + "u"
	}
	return number
}

// libbpf writes the call with libbpf, or tells why it cannot be written so.
func (w writer) libbpf() (text, note string) {
	if w.param("size") != "" || w.param("junk") != "" {
		return "", "libbpf chooses the size of bpf_attr by itself."
	}
	device, at := w.hook(0)
	switch w.st.Verb {
	case "attach":
		opts, arg := w.opts("bpf_prog_attach_opts", w.optFields())
		return fmt.Sprintf("%serr = bpf_prog_attach_opts(%s, %s, %s, %s);", opts, variable(w.operand(1), "fd"), target(device, at), typeConstant(at), arg), ""
	case "detach":
		if w.param("replace_bpf_fd") != "" {
			return "", "libbpf's bpf_prog_detach_opts has no program to replace."
		}
		opts, arg := w.opts("bpf_prog_detach_opts", w.optFields())
		prog := "0"
		if w.operand(1) != "" {
			prog = variable(w.operand(1), "fd")
		}
		return fmt.Sprintf("%serr = bpf_prog_detach_opts(%s, %s, %s, %s);", opts, prog, target(device, at), typeConstant(at), arg), ""
	case "query":
		opts, arg := w.opts("bpf_prog_query_opts", []string{".prog_ids = prog_ids", ".link_ids = link_ids", ".count = 64"})
		return fmt.Sprintf("%serr = bpf_prog_query_opts(%s, %s, %s);", opts, target(device, at), typeConstant(at), arg), ""
	case "link":
		return w.libbpfLink()
	case "link-update":
		l, prog := w.operand(0), w.operand(1)
		var fields []string
		if w.flags() != 0 {
			fields = append(fields, ".flags = "+constants(w.flags()))
		}
		if old := w.param("old_prog_fd"); old != "" {
			fields = append(fields, ".old_prog_fd = "+variable(old, "fd"))
		}
		opts, arg := w.opts("bpf_link_update_opts", fields)
		return fmt.Sprintf("%serr = bpf_link_update(%s, %s, %s);", opts, variable(l, "fd"), variable(prog, "fd"), arg), ""
	case "link-detach":
		return fmt.Sprintf("err = bpf_link_detach(%s);", variable(w.operand(0), "fd")), ""
	case "close":
		return fmt.Sprintf("close(%s);", variable(w.operand(0), "fd")), ""
	case "dup":
		return fmt.Sprintf("%s = dup(%s);", variable(w.operand(0), "fd"), variable(w.operand(1), "fd")), ""
	case "pin":
		return fmt.Sprintf("err = bpf_obj_pin(%s, %q);", variable(w.operand(1), "fd"), w.operand(0)), ""
	case "get":
		return fmt.Sprintf("%s = bpf_obj_get(%q);", variable(w.operand(0), "fd"), w.operand(1)), ""
	case "unlink":
		return fmt.Sprintf("err = unlink(%q);", w.operand(0)), ""
	case "prog-fd":
		return fmt.Sprintf("%s = bpf_prog_get_fd_by_id(%s);", variable(w.operand(0), "fd"), variable(w.operand(1), "id")), ""
	case "link-fd":
		return fmt.Sprintf("%s = bpf_link_get_fd_by_id(%s);", variable(w.operand(0), "fd"), variable(w.operand(1), "id")), ""
	case "prog-next":
		return fmt.Sprintf("err = bpf_prog_get_next_id(%s, &next);", variable(w.operand(0), "id")), ""
	case "link-next":
		return fmt.Sprintf("err = bpf_link_get_next_id(%s, &next);", variable(w.operand(0), "id")), ""
	case "info":
		return fmt.Sprintf("err = bpf_obj_get_info_by_fd(%s, &info, &info_len);", variable(w.operand(0), "fd")), ""
	case "filter":
		side := "BPF_TC_INGRESS"
		if at == mprog.TCXEgress {
			side = "BPF_TC_EGRESS"
		}
		fields := ".prog_fd = " + variable(w.operand(1), "fd")
		for _, key := range []string{"handle", "prio"} {
			if v := w.param(key); v != "" {
				fields += ", ." + strings.Replace(key, "prio", "priority", 1) + " = " + v
			}
		}
		return fmt.Sprintf("LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = %s, .attach_point = %s);\nLIBBPF_OPTS(bpf_tc_opts, opts, %s);\nerr = bpf_tc_attach(&hook, &opts);",
			target(device, at), side, fields), ""
	}
	return "", ""
}

func (w writer) libbpfLink() (text, note string) {
	device, at := w.hook(1)
	kind, section, call := "netkit", "netkit/"+at.String(), "netkit"
	switch {
	case at.TCX():
		kind, section, call = "tcx", "tcx/"+at.String(), "tcx"
	case at.Cgroup():
		kind, call = "cgroup", "cgroup_opts"
	case !at.Netkit():
		return "", ""
	}
	if w.param("replace_bpf_fd") != "" {
		return "", "libbpf has no program to replace in the options of a link."
	}
	if !trace.IsName(w.operand(2)) { // no program that libbpf has loaded
		fields := w.optFields()
		for i, f := range fields {
			if !strings.HasPrefix(f, ".flags") {
				fields[i] = "." + kind + f
			}
		}
		if w.param("relative_id") != "" && w.flags()&mprog.ID != 0 { // which is said here
			fields = slices.DeleteFunc(fields, func(f string) bool { return strings.HasPrefix(f, ".flags") })
			fields = append([]string{".flags = " + constants(w.flags())}, fields...)
		}
		opts, arg := w.opts("bpf_link_create_opts", fields)
		return fmt.Sprintf("%s%s = bpf_link_create(%s, %s, %s, %s);", opts, variable(w.operand(0), "fd"), variable(w.operand(2), "fd"), target(device, at), typeConstant(at), arg), ""
	}
	opts, arg := w.opts("bpf_"+kind+"_opts", w.optFields())
	made := fmt.Sprintf("%sstruct bpf_link *%s = bpf_program__attach_%s(%s, %s, %s);", opts, w.operand(0), call, w.operand(2), target(device, at), arg)
	if kind != "cgroup" {
		made = fmt.Sprintf("/* of SEC(%q), which says which hook */\n", section) + made
	}
	return made, ""
}
