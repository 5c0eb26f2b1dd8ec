package mprog

// IDRequest is BPF_{PROG,LINK}_GET_FD_BY_ID and BPF_{PROG,LINK}_GET_NEXT_ID.
type IDRequest struct {
	Shape
	ID        uint32 // prog_id, link_id, or start_id
	OpenFlags uint32 // open_flags; must be 0 for programs and links
}

// PinRequest is BPF_OBJ_PIN.
type PinRequest struct {
	Shape
	Path  string // pathname
	FD    uint32 // bpf_fd
	Flags uint32 // file_flags
}

// GetRequest is BPF_OBJ_GET.
type GetRequest struct {
	Shape
	Path  string // pathname
	Flags uint32 // file_flags
}

// CommandRequest is any command of bpf(2), by its number, with an attr of zeros
// (but for Shape.Junk). Size 0 hands over no attr at all.
type CommandRequest struct {
	Shape
	Command uint32
}

// BPFFS is where a process of an environment finds a bpf file system. Each
// environment has one of its own.
const BPFFS = "/sys/fs/bpf"
