package lockstep

import "github.com/nkconform/nkconform/mprog"

// Op is what a step does.
type Op uint8

// The steps. Each is one statement of the trace language.
const (
	Attach Op = iota + 1
	Fill      // Attach of several programs, one after the other
	Detach
	Query
	CreateLink
	UpdateLink
	DetachLink
	Info
	Close
	DeleteDevice
	MoveDevice
	OpenProg
	OpenLink
	NextProg
	NextLink
	Pin
	Get
	Unlink
	Dup
	Command
	StartProcess
	EndProcess
	Send
	AddQdisc
	DeleteQdisc
	AddFilter
	DeleteFilter
	EndNetns
	opEnd
)

// Ref names a device or an object by its slot, or is a number for itself.
type Ref struct {
	Slot int16  // -1: none, the number counts
	Raw  uint32 // what is passed when Slot is -1
}

func slot(n int16) Ref   { return Ref{Slot: n} }
func raw(n uint32) Ref   { return Ref{Slot: -1, Raw: n} }
func (r Ref) slot() bool { return r.Slot >= 0 }

var zero = raw(0)

// Revision is an expected revision.
type Revision struct {
	Kind  RevisionKind
	Value int64
}

// RevisionKind tells what the value of a Revision is.
type RevisionKind uint8

// A revision that counts from the hook's stays what it was meant to be when
// steps in front of it are left out.
const (
	NoRevision RevisionKind = iota
	Absolute
	FromCurrent
)

// Step is one step. Which fields matter depends on the Op; their names are
// those of the requests in package mprog.
type Step struct {
	Op      Op
	Process int8  // slot of the process that makes the call; 0 is the first
	Makes   int16 // slot of the object or process that is made
	Device  Ref
	Type    mprog.AttachType

	Object   Ref // the program of Attach, Detach, CreateLink; the link or other object of the rest
	Second   Ref // replace_bpf_fd, new_prog_fd
	Third    Ref // old_prog_fd
	Flags    mprog.Flags
	Relative Ref
	ByID     bool // Relative is an id
	Revision Revision
	mprog.Shape

	Count       uint32 // of Query, and of the programs of Fill, which begin at Object
	QueryFlags  uint32
	AttachFlags uint32 // of Query; open_flags or file_flags of others; the command of Command
	NoProgIDs   bool
	NoLinkIDs   bool
	ProgFlags   bool                // of Query: with an array for prog_attach_flags
	LinkFlags   bool                // and for link_attach_flags
	Path        uint8               // number of the path of Pin, Get, Unlink
	Without     [2]mprog.Capability // 0: none, of StartProcess
	Away        bool                // of StartProcess: in the other network namespace
	TC          tcFields            // of steps about qdiscs and filters

	expected uint64 // the expected revision that was passed when it was performed
}

// Hook is where a step attaches, by the slot of the device.
type Hook struct {
	Device int16
	Type   mprog.AttachType
}

// touches returns the hook that a step names.
func (s *Step) touches() (Hook, bool) {
	switch s.Op {
	case Attach, Fill, Detach, Query, CreateLink:
		return Hook{s.Device.Slot, s.Type}, s.Device.slot() && s.Type != mprog.XDPDevice
	}
	return Hook{}, false
}

// makesObject reports whether a step gives a slot an fd.
func (s *Step) makesObject() bool {
	switch s.Op {
	case CreateLink, OpenProg, OpenLink, Get, Dup:
		return true
	}
	return false
}

// setsStage reports whether a step is more than a system call of a process.
func (s *Step) setsStage() bool {
	switch s.Op {
	case DeleteDevice, MoveDevice, EndNetns, StartProcess, EndProcess, Send:
		return true
	}
	return false
}
