package picture

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/nkconform/nkconform/mprog"
	"github.com/nkconform/nkconform/mprog/attr"
)

// rawAttr writes a call of bpf(2): the fields of bpf_attr that are not 0.
type rawAttr struct {
	command string
	size    uint32
	shape   mprog.Shape
	fields  []string
}

func (r *rawAttr) field(name string, value uint64, what string) {
	if value == 0 {
		return
	}
	text := fmt.Sprintf("    .%s = %s,", name, unsigned(strconv.FormatUint(value, 10)))
	if what != "" {
		text = fmt.Sprintf("%-42s /* %s */", text, what)
	}
	r.fields = append(r.fields, text)
}

func (r *rawAttr) String() string {
	size := r.size
	if r.shape.Size != 0 {
		size = r.shape.Size
	}
	if r.shape.Junk != 0 {
		r.fields = append(r.fields, fmt.Sprintf("    /* and byte %d is 0xff */", r.shape.Junk))
	}
	if len(r.fields) == 0 {
		return fmt.Sprintf("bpf(%s, &(union bpf_attr){}, %d)", r.command, size)
	}
	return fmt.Sprintf("bpf(%s, &(union bpf_attr){\n%s\n}, %d)", r.command, strings.Join(r.fields, "\n"), size)
}

// raw writes the bytes of the call, "" where it is no bpf(2) with a layout.
func (w writer) raw() string {
	if w.step.Event == nil {
		return ""
	}
	switch q := w.step.Event.Request.(type) {
	case mprog.AttachRequest:
		return w.rawAttach("BPF_PROG_ATTACH", q)
	case mprog.DetachRequest:
		return w.rawAttach("BPF_PROG_DETACH", mprog.AttachRequest(q))
	case mprog.QueryRequest:
		r := rawAttr{command: "BPF_PROG_QUERY", size: attr.ProgQuery.Size(), shape: q.Shape}
		device, _ := w.hook(0)
		r.field("query."+targetField(q.AttachType), uint64(q.TargetIfindex), device)
		r.field("query.attach_type", uint64(q.AttachType), typeConstant(q.AttachType))
		r.field("query.query_flags", uint64(q.QueryFlags), "")
		if q.ProgIDs != nil {
			r.fields = append(r.fields, "    .query.prog_ids = (uintptr_t)prog_ids,")
		}
		r.field("query.count", uint64(q.Count), "room in the arrays")
		if q.LinkIDs != nil {
			r.fields = append(r.fields, "    .query.link_ids = (uintptr_t)link_ids,")
		}
		return r.String()
	case mprog.LinkCreateRequest:
		kind := "tcx"
		switch {
		case q.AttachType.Netkit():
			kind = "netkit"
		case q.AttachType.Cgroup():
			kind = "cgroup"
		}
		r := rawAttr{command: "BPF_LINK_CREATE", size: attr.LinkCreate.Size(), shape: q.Shape}
		device, _ := w.hook(1)
		r.field("link_create.prog_fd", uint64(q.ProgFD), w.operand(2))
		r.field("link_create."+targetField(q.AttachType), uint64(q.TargetIfindex), device)
		r.field("link_create.attach_type", uint64(q.AttachType), typeConstant(q.AttachType))
		r.field("link_create.flags", uint64(q.Flags), constants(q.Flags))
		r.field("link_create."+kind+"."+relativeField(q.Flags), uint64(q.Relative), w.relative())
		r.field("link_create."+kind+".expected_revision", q.ExpectedRevision, "")
		return r.String()
	case mprog.LinkUpdateRequest:
		r := rawAttr{command: "BPF_LINK_UPDATE", size: attr.LinkUpdate.Size(), shape: q.Shape}
		r.field("link_update.link_fd", uint64(q.LinkFD), w.operand(0))
		r.field("link_update.new_prog_fd", uint64(q.NewProgFD), w.operand(1))
		r.field("link_update.flags", uint64(q.Flags), constants(q.Flags))
		r.field("link_update.old_prog_fd", uint64(q.OldProgFD), w.param("old_prog_fd"))
		return r.String()
	case mprog.LinkDetachRequest:
		r := rawAttr{command: "BPF_LINK_DETACH", size: attr.LinkDetach.Size(), shape: q.Shape}
		r.field("link_detach.link_fd", uint64(q.LinkFD), w.operand(0))
		return r.String()
	case mprog.PinRequest:
		r := rawAttr{command: "BPF_OBJ_PIN", size: attr.ObjPin.Size(), shape: q.Shape}
		r.fields = append(r.fields, fmt.Sprintf("    .pathname = (uintptr_t)%q,", q.Path))
		r.field("bpf_fd", uint64(q.FD), w.operand(1))
		r.field("file_flags", uint64(q.Flags), "")
		return r.String()
	case mprog.GetRequest:
		r := rawAttr{command: "BPF_OBJ_GET", size: attr.ObjGet.Size(), shape: q.Shape}
		r.fields = append(r.fields, fmt.Sprintf("    .pathname = (uintptr_t)%q,", q.Path))
		r.field("file_flags", uint64(q.Flags), "")
		return r.String()
	case mprog.IDRequest:
		name, command, size := "prog_id", "BPF_PROG_GET_FD_BY_ID", attr.ProgGetFDByID.Size()
		switch w.st.Verb {
		case "link-fd":
			name, command = "link_id", "BPF_LINK_GET_FD_BY_ID"
		case "prog-next":
			name, command, size = "start_id", "BPF_PROG_GET_NEXT_ID", attr.ProgGetNextID.Size()
		case "link-next":
			name, command, size = "start_id", "BPF_LINK_GET_NEXT_ID", attr.LinkGetNextID.Size()
		}
		r := rawAttr{command: command, size: size, shape: q.Shape}
		r.field(name, uint64(q.ID), w.operand(len(w.st.Operands)-1))
		r.field("open_flags", uint64(q.OpenFlags), "")
		return r.String()
	case mprog.CommandRequest:
		r := rawAttr{command: fmt.Sprint(q.Command), shape: q.Shape}
		return r.String()
	}
	switch w.st.Verb {
	case "close", "dup":
		return fmt.Sprintf("%s(%v)%s", w.st.Verb, w.step.Event.Request, "")
	case "unlink":
		return fmt.Sprintf("unlink(%q)", w.operand(0))
	}
	return ""
}

func (w writer) rawAttach(command string, q mprog.AttachRequest) string {
	r := rawAttr{command: command, size: attr.ProgAttach.Size(), shape: q.Shape}
	device, _ := w.hook(0)
	r.field(targetField(q.AttachType), uint64(q.TargetIfindex), device)
	r.field("attach_bpf_fd", uint64(q.AttachFD), w.operand(1))
	r.field("attach_type", uint64(q.AttachType), typeConstant(q.AttachType))
	r.field("attach_flags", uint64(q.Flags), constants(q.Flags))
	r.field("replace_bpf_fd", uint64(q.ReplaceFD), w.param("replace_bpf_fd"))
	r.field(relativeField(q.Flags), uint64(q.Relative), w.relative())
	r.field("expected_revision", q.ExpectedRevision, "")
	return r.String()
}

func targetField(at mprog.AttachType) string {
	if at.Cgroup() {
		return "target_fd"
	}
	return "target_ifindex"
}

func relativeField(f mprog.Flags) string {
	if f&mprog.ID != 0 {
		return "relative_id"
	}
	return "relative_fd"
}
