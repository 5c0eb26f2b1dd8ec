package attr

import (
	"maps"
	"slices"
)

// Command is the kernel's enum bpf_cmd, the first argument of bpf(2).
type Command uint32

// The commands with a layout here (include/uapi/linux/bpf.h).
const (
	ObjPin         Command = 6  // BPF_OBJ_PIN
	ObjGet         Command = 7  // BPF_OBJ_GET
	ProgAttach     Command = 8  // BPF_PROG_ATTACH
	ProgDetach     Command = 9  // BPF_PROG_DETACH
	ProgGetNextID  Command = 11 // BPF_PROG_GET_NEXT_ID
	ProgGetFDByID  Command = 13 // BPF_PROG_GET_FD_BY_ID
	ObjGetInfoByFD Command = 15 // BPF_OBJ_GET_INFO_BY_FD
	ProgQuery      Command = 16 // BPF_PROG_QUERY
	LinkCreate     Command = 28 // BPF_LINK_CREATE
	LinkUpdate     Command = 29 // BPF_LINK_UPDATE
	LinkGetFDByID  Command = 30 // BPF_LINK_GET_FD_BY_ID
	LinkGetNextID  Command = 31 // BPF_LINK_GET_NEXT_ID
	LinkDetach     Command = 34 // BPF_LINK_DETACH
)

// Field is one number inside a structure shared with the kernel.
type Field struct {
	Name   string // as in include/uapi/linux/bpf.h
	Offset uint32 // in bytes from the start of the structure
	Size   uint32 // in bytes, 4 or 8
}

// Fields lists the fields of bpf_attr that the command has for mprog hooks, in
// order of offset. The list is shared: it must not be changed. It is nil for a
// command without a layout.
func (c Command) Fields() []Field { return layouts[c] }

// Commands lists those that have a layout here, by number.
func Commands() []Command { return slices.Sorted(maps.Keys(layouts)) }

// Size returns the size in bytes of the command's fields: what bpf(2) is told
// for a request with the zero [mprog.Shape].
func (c Command) Size() uint32 { return end(c.Fields()) }

var layouts = map[Command][]Field{
	ObjPin:         objPin,
	ObjGet:         objGet,
	ProgAttach:     progAttach,
	ProgDetach:     progAttach,
	ProgGetNextID:  nextID,
	ProgGetFDByID:  progFDByID,
	ObjGetInfoByFD: objInfo,
	ProgQuery:      progQuery,
	LinkCreate:     linkCreate,
	LinkUpdate:     linkUpdate,
	LinkGetFDByID:  linkFDByID,
	LinkGetNextID:  nextID,
	LinkDetach:     linkDetach,
}

// The layouts. A gap between two fields is padding that the kernel ignores.
var (
	progAttach = []Field{
		{"target_ifindex", 0, 4},
		{"attach_bpf_fd", 4, 4},
		{"attach_type", 8, 4},
		{"attach_flags", 12, 4},
		{"replace_bpf_fd", 16, 4},
		{"relative_fd", 20, 4}, // relative_id with BPF_F_ID
		{"expected_revision", 24, 8},
	}
	progQuery = []Field{
		{"query.target_ifindex", 0, 4},
		{"query.attach_type", 4, 4},
		{"query.query_flags", 8, 4},
		{"query.attach_flags", 12, 4}, // also written by the kernel
		{"query.prog_ids", 16, 8},
		{"query.count", 24, 4}, // also written by the kernel
		{"query.prog_attach_flags", 32, 8},
		{"query.link_ids", 40, 8},
		{"query.link_attach_flags", 48, 8},
		{"query.revision", 56, 8}, // written by the kernel, never read
	}
	// The kernel's link_create goes on behind these 32 bytes, with the fields
	// of other kinds of links: a byte there is not refused.
	linkCreate = []Field{
		{"link_create.prog_fd", 0, 4},
		{"link_create.target_ifindex", 4, 4},
		{"link_create.attach_type", 8, 4},
		{"link_create.flags", 12, 4},
		{"link_create.netkit.relative_fd", 16, 4}, // relative_id with BPF_F_ID
		{"link_create.netkit.expected_revision", 24, 8},
	}
	linkUpdate = []Field{
		{"link_update.link_fd", 0, 4},
		{"link_update.new_prog_fd", 4, 4},
		{"link_update.flags", 8, 4},
		{"link_update.old_prog_fd", 12, 4},
	}
	linkDetach = []Field{
		{"link_detach.link_fd", 0, 4},
	}
	objInfo = []Field{
		{"info.bpf_fd", 0, 4},
		{"info.info_len", 4, 4}, // also written by the kernel
		{"info.info", 8, 8},
	}
	progFDByID = []Field{
		{"prog_id", 0, 4},
		{"open_flags", 8, 4},
	}
	linkFDByID = []Field{
		{"link_id", 0, 4},
		{"open_flags", 8, 4},
	}
	nextID = []Field{
		{"start_id", 0, 4},
		{"next_id", 4, 4}, // written by the kernel, never read
		{"open_flags", 8, 4},
	}
	// Behind these 16 bytes the kernel has path_fd, since Linux 6.5.
	objPin = []Field{
		{"pathname", 0, 8},
		{"bpf_fd", 8, 4},
		{"file_flags", 12, 4},
	}
	objGet = []Field{
		{"pathname", 0, 8},
		{"file_flags", 12, 4},
	}
)

// The results inside other structures than bpf_attr.
var (
	progInfo = []Field{ // struct bpf_prog_info; the name is 16 bytes at 64
		{"type", 0, 4},
		{"id", 4, 4},
	}
	linkInfo = []Field{ // struct bpf_link_info
		{"type", 0, 4},
		{"id", 4, 4},
		{"prog_id", 8, 4},
		{"netkit.ifindex", 16, 4},     // tcx.ifindex
		{"netkit.attach_type", 20, 4}, // tcx.attach_type
		{"cgroup.cgroup_id", 16, 8},
		{"cgroup.attach_type", 24, 4},
	}
)

func end(fields []Field) uint32 {
	if len(fields) == 0 {
		return 0
	}
	last := fields[len(fields)-1]
	return last.Offset + last.Size
}
