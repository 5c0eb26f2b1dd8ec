package sim

// Target is what an fd refers to that programs can be attached to.
type Target struct {
	Kind TargetKind
	ID   uint64 // the inode's number
	// Above are the cgroups in which a cgroup is, from the nearest on, by their inodes.
	Above []uint64
	Name  string // for people
	Perf  *PerfEvent
	// Owner is a socket's cookie, or as what a task owns values; 0 of a task that is gone.
	Owner uint64
	// Object is one of BPF.
	Object *Object
}

// TargetKind tells targets apart.
type TargetKind uint8

// The kinds.
const (
	OtherTarget TargetKind = iota
	NetnsTarget
	CgroupTarget
	PerfTarget
	SocketTarget
	TaskTarget
)
