package mprog

// Kernel answers the bpf(2) commands that concern mprog hooks, as one process
// would get them answered. Every error carries an errno (see [ErrnoOf]) or
// wraps [ErrUnsupported].
//
// fds are those of the process, ids and ifindexes are global. No argument is
// checked in front of the kernel.
type Kernel interface {
	// ProgAttach adds a program to a hook, or replaces one (BPF_PROG_ATTACH).
	ProgAttach(AttachRequest) error
	// ProgDetach removes a program from a hook (BPF_PROG_DETACH).
	ProgDetach(DetachRequest) error
	// ProgQuery lists a hook's programs in order of execution (BPF_PROG_QUERY).
	ProgQuery(QueryRequest) (QueryResult, error)
	// LinkCreate attaches a program through a new link and returns the link's
	// fd (BPF_LINK_CREATE).
	LinkCreate(LinkCreateRequest) (fd uint32, err error)
	// LinkUpdate replaces a link's program in place (BPF_LINK_UPDATE).
	LinkUpdate(LinkUpdateRequest) error
	// LinkDetach takes a link's program off its hook; the link stays, defunct
	// (BPF_LINK_DETACH).
	LinkDetach(LinkDetachRequest) error
	// ObjectInfo describes the object that fd refers to
	// (BPF_OBJ_GET_INFO_BY_FD).
	ObjectInfo(fd uint32) (ObjectInfo, error)
	// ProgFDByID opens the program with an id (BPF_PROG_GET_FD_BY_ID).
	ProgFDByID(IDRequest) (fd uint32, err error)
	// LinkFDByID opens the link with an id (BPF_LINK_GET_FD_BY_ID).
	LinkFDByID(IDRequest) (fd uint32, err error)
	// ProgNextID returns the lowest program id above one (BPF_PROG_GET_NEXT_ID).
	ProgNextID(IDRequest) (id uint32, err error)
	// LinkNextID returns the lowest link id above one (BPF_LINK_GET_NEXT_ID).
	LinkNextID(IDRequest) (id uint32, err error)
	// ObjPin gives an object a path in a bpf file system, which keeps a
	// reference (BPF_OBJ_PIN).
	ObjPin(PinRequest) error
	// ObjGet opens the object pinned at a path (BPF_OBJ_GET).
	ObjGet(GetRequest) (fd uint32, err error)
	// Command makes a call of any number (bpf(2)).
	Command(CommandRequest) error
	// Unlink removes a path, and with it the pin's reference (unlink(2)).
	Unlink(path string) error
	// Dup returns another fd of the same object (dup(2)).
	Dup(fd uint32) (uint32, error)
	// Close closes fd (close(2)).
	Close(fd uint32) error
}
