package picture

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/nkconform/nkconform/mprog"
	"github.com/nkconform/nkconform/trace"
)

// goType is an attach type as cilium/ebpf has it.
func goType(at mprog.AttachType) string {
	switch at {
	case mprog.NetkitPrimary:
		return "ebpf.AttachNetkitPrimary"
	case mprog.NetkitPeer:
		return "ebpf.AttachNetkitPeer"
	case mprog.TCXIngress:
		return "ebpf.AttachTCXIngress"
	case mprog.TCXEgress:
		return "ebpf.AttachTCXEgress"
	case mprog.XDPDevice:
		return "ebpf.AttachXDP"
	}
	if at.Cgroup() {
		var name strings.Builder
		for _, part := range strings.Split(strings.TrimPrefix(at.String(), "cgroup_"), "_") {
			if strings.HasPrefix(part, "udp") {
				part = strings.ToUpper(part)
			}
			name.WriteString(strings.ToUpper(part[:1]) + part[1:])
		}
		prefix := "ebpf.AttachCGroup"
		if at == mprog.CgroupInetSockRelease || strings.HasPrefix(name.String(), "Inet") && strings.HasSuffix(name.String(), "name") {
			prefix = "ebpf.AttachCgroup" // as these are written there
		}
		return prefix + strings.NewReplacer("Getpeername", "GetPeername", "Getsockname", "GetSockname").Replace(name.String())
	}
	return "ebpf.AttachType(" + at.String() + ")"
}

// anchor writes where as cilium/ebpf does, "" for the end, and reports whether it can.
func (w writer) anchor() (text string, ok bool) {
	f := w.flags() &^ groupFlags
	relative := w.relative()
	object := "Program"
	if f&mprog.Link != 0 {
		object = "Link"
	}
	side := map[mprog.Flags]string{mprog.Before: "Before", mprog.After: "After", mprog.Replace: "Replace"}[f&^(mprog.ID|mprog.Link)]
	switch {
	case f == 0:
		return "", relative == "" && w.param("replace_bpf_fd") == ""
	case side == "Replace":
		old := w.param("replace_bpf_fd")
		return "link.ReplaceProgram(" + goName(old) + ")", f == mprog.Replace && relative == "" && trace.IsName(old)
	case side == "" || w.param("replace_bpf_fd") != "":
		return "", false
	case relative == "":
		return map[string]string{"Before": "link.Head()", "After": "link.Tail()"}[side], f&(mprog.ID|mprog.Link) == 0
	case f&mprog.ID != 0:
		kind := "ebpf.ProgramID"
		if object == "Link" {
			kind = "link.ID"
		}
		return fmt.Sprintf("link.%s%sByID(%s(%s))", side, object, kind, goID(relative)), w.param("relative_id") != ""
	}
	return fmt.Sprintf("link.%s%s(%s)", side, object, goName(relative)), trace.IsName(relative)
}

// groupFlags are those that only cgroups take, which cilium/ebpf has as numbers.
const groupFlags = mprog.AllowOverride | mprog.AllowMulti | mprog.Preorder

// goTarget is a device, which is a number, or a cgroup, which is an open file.
func goTarget(device string, at mprog.AttachType) string {
	if at.Cgroup() && trace.IsName(device) {
		return "int(" + goName(device) + ".Fd())"
	}
	return goName(device)
}

// goName is a variable that holds an object, goID one that holds its id.
func goName(word string) string { return strings.ReplaceAll(word, "-", "_") }

func goID(word string) string {
	if trace.IsName(word) {
		return goName(word) + "ID"
	}
	if n, err := strconv.ParseInt(word, 0, 64); err == nil && n < 0 {
		return strconv.FormatUint(uint64(uint32(n)), 10)
	}
	name, above, err := trace.SplitID(word)
	if err == nil && above > 0 {
		return fmt.Sprintf("%sID + %d", goName(name), above)
	}
	return word
}

// options writes a struct of options, its fields aligned as gofmt does.
func options(kind string, fields [][2]string) string {
	width := 0
	for _, f := range fields {
		if f[1] != "" {
			width = max(width, len(f[0]))
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s{\n", kind)
	for _, f := range fields {
		if f[1] != "" {
			value, comment, commented := strings.Cut(f[1], ", //")
			if commented {
				comment = " //" + comment
			}
			fmt.Fprintf(&b, "\t%s:%s%s,%s\n", f[0], strings.Repeat(" ", width-len(f[0])+1), value, comment)
		}
	}
	return b.String() + "}"
}

// cilium writes the call with cilium/ebpf, or tells why it cannot be written so.
func (w writer) cilium() (text, note string) {
	if w.param("size") != "" || w.param("junk") != "" {
		return "", "cilium/ebpf chooses the size of bpf_attr by itself."
	}
	if note := w.excluded(); note != "" {
		return "", note
	}
	anchor, ok := w.anchor()
	if !ok {
		switch w.st.Verb {
		case "attach", "detach", "link":
			return "", "cilium/ebpf has no anchor that says this."
		}
	}
	where := func(target, program string, n int) [][2]string {
		device, at := w.hook(n)
		fields := [][2]string{{target, goTarget(device, at)}}
		if program != "" {
			fields = append(fields, [2]string{"Program", goName(program)})
		}
		fields = append(fields, [2]string{"Attach", goType(at)})
		if anchor != "" {
			fields = append(fields, [2]string{"Anchor", anchor})
		}
		if f := w.flags() & groupFlags; f != 0 && w.st.Verb != "link" {
			fields = append(fields, [2]string{"Flags", fmt.Sprintf("%d, // %s", f, constants(f))})
		}
		if r := w.param("expected_revision"); r != "" {
			fields = append(fields, [2]string{"ExpectedRevision", r})
		}
		return fields
	}
	name := goName(w.operand(0))
	switch w.st.Verb {
	case "attach":
		return "err := link.RawAttachProgram(" + options("link.RawAttachProgramOptions", where("Target", w.operand(1), 0)) + ")", ""
	case "detach":
		if w.operand(1) == "" {
			return "", "cilium/ebpf detaches only programs that are named."
		}
		return "err := link.RawDetachProgram(" + options("link.RawDetachProgramOptions", where("Target", w.operand(1), 0)) + ")", ""
	case "query":
		device, at := w.hook(0)
		return "result, err := link.QueryPrograms(" + options("link.QueryOptions", [][2]string{{"Target", goTarget(device, at)}, {"Attach", goType(at)}, {"QueryFlags", w.param("query_flags")}}) + ")", ""
	case "link":
		device, at := w.hook(1)
		if at.Cgroup() {
			if w.st.Params != nil {
				return "", "link.AttachCgroup of cilium/ebpf says neither a place nor a revision."
			}
			return name + ", err := link.AttachCgroup(" + options("link.CgroupOptions", [][2]string{{"Path", goName(device) + ".Name()"}, {"Attach", goType(at)}, {"Program", goName(w.operand(2))}}) + ")", ""
		}
		call, kind := "link.AttachNetkit(", "link.NetkitOptions"
		if at.TCX() {
			call, kind = "link.AttachTCX(", "link.TCXOptions"
		} else if !at.Netkit() {
			return "", ""
		}
		return name + ", err := " + call + options(kind, where("Interface", w.operand(2), 1)) + ")", ""
	case "link-update":
		if w.flags() == 0 && w.param("old_prog_fd") == "" {
			return fmt.Sprintf("err := %s.Update(%s)", name, goName(w.operand(1))), ""
		}
		return "", "A link of cilium/ebpf is updated whatever program it has: l.Update(b) says no old one."
	case "link-detach":
		return fmt.Sprintf("err := %s.Detach()", name), ""
	case "close":
		return fmt.Sprintf("err := %s.Close()", name), ""
	case "pin":
		return fmt.Sprintf("err := %s.Pin(%q)", goName(w.operand(1)), name), ""
	case "get":
		if w.isLink() {
			return fmt.Sprintf("%s, err := link.LoadPinnedLink(%q, nil)", name, w.operand(1)), ""
		}
		return fmt.Sprintf("%s, err := ebpf.LoadPinnedProgram(%q, nil)", name, w.operand(1)), ""
	case "unlink":
		return fmt.Sprintf("err := os.Remove(%q)", w.operand(0)), ""
	case "prog-fd":
		return fmt.Sprintf("%s, err := ebpf.NewProgramFromID(ebpf.ProgramID(%s))", name, goID(w.operand(1))), ""
	case "link-fd":
		return fmt.Sprintf("%s, err := link.NewFromID(link.ID(%s))", name, goID(w.operand(1))), ""
	case "info":
		return fmt.Sprintf("info, err := %s.Info()", name), ""
	}
	return "", ""
}

// excluded tells why the types of Go exclude a call, "" if they do not: it names a number
// for what is an object there, or an object of another kind.
func (w writer) excluded() string {
	objects := [][2]string{{w.param("replace_bpf_fd"), "program"}} // a word, and the kinds that it may be
	relative := "program"
	if w.flags()&mprog.Link != 0 {
		relative = "link"
	}
	if w.flags()&mprog.ID == 0 {
		objects = append(objects, [2]string{w.relative(), relative})
	}
	for n := range w.st.Operands {
		if device, at := w.hook(n); at.Cgroup() && (trace.IsName(device) || w.st.Verb == "link") {
			objects = append(objects, [2]string{device, "cgroup"})
		}
	}
	switch w.st.Verb {
	case "attach", "detach":
		objects = append(objects, [2]string{w.operand(1), "program"})
	case "link":
		objects = append(objects, [2]string{w.operand(2), "program"})
	case "link-update":
		objects = append(objects, [2]string{w.operand(0), "link"}, [2]string{w.operand(1), "program"})
	case "link-detach":
		objects = append(objects, [2]string{w.operand(0), "link"})
	case "close":
		objects = append(objects, [2]string{w.operand(0), "program, link or cgroup"})
	case "info":
		objects = append(objects, [2]string{w.operand(0), "program or link"})
	case "pin":
		objects = append(objects, [2]string{w.operand(1), "program or link"})
	}
	for _, o := range objects {
		word, wanted := o[0], o[1]
		switch kind := w.step.State.kind(word); {
		case word == "":
		case !trace.IsName(word):
			return "cilium/ebpf takes what it has opened, and no numbers."
		case kind != "" && !strings.Contains(wanted, kind):
			return "The types of cilium/ebpf exclude it: " + word + " is a " + kind + "."
		}
	}
	return ""
}

// isLink says whether what is opened is a link.
func (w writer) isLink() bool {
	for _, p := range w.step.State.Pins {
		if p.Path == w.operand(1) {
			for _, l := range w.step.State.Links {
				if l.Name == p.Object {
					return true
				}
			}
			return false
		}
	}
	return true
}
