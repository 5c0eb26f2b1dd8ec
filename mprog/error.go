package mprog

import (
	"errors"
	"syscall"
)

// Op names a bpf(2) command, or the system call, in an error.
type Op string

// The operations of [Kernel].
const (
	OpProgAttach Op = "prog attach"   // BPF_PROG_ATTACH
	OpProgDetach Op = "prog detach"   // BPF_PROG_DETACH
	OpProgQuery  Op = "prog query"    // BPF_PROG_QUERY
	OpLinkCreate Op = "link create"   // BPF_LINK_CREATE
	OpLinkUpdate Op = "link update"   // BPF_LINK_UPDATE
	OpLinkDetach Op = "link detach"   // BPF_LINK_DETACH
	OpObjectInfo Op = "object info"   // BPF_OBJ_GET_INFO_BY_FD
	OpProgLoad   Op = "prog load"     // BPF_PROG_LOAD
	OpProgFDByID Op = "prog fd by id" // BPF_PROG_GET_FD_BY_ID
	OpLinkFDByID Op = "link fd by id" // BPF_LINK_GET_FD_BY_ID
	OpProgNextID Op = "prog next id"  // BPF_PROG_GET_NEXT_ID
	OpLinkNextID Op = "link next id"  // BPF_LINK_GET_NEXT_ID
	OpObjPin     Op = "object pin"    // BPF_OBJ_PIN
	OpObjGet     Op = "object get"    // BPF_OBJ_GET
	OpCommand    Op = "bpf"           // bpf(2) with any command
	OpUnlink     Op = "unlink"        // unlink(2)
	OpDup        Op = "dup"           // dup(2)
	OpClose      Op = "close"         // close(2)
)

// The operations of [Environment] that set the stage.
const (
	OpAddDevice    Op = "add device"
	OpDeleteDevice Op = "delete device"
	OpMoveDevice   Op = "move device"
	OpNewProcess   Op = "new process"
	OpTransmit     Op = "transmit"
	OpNewNetns     Op = "new network namespace"
	OpEndNetns     Op = "end network namespace"
	OpExit         Op = "exit"
)

// ChangesHook reports whether a call that succeeds changes what is attached to a
// hook, or how.
func (o Op) ChangesHook() bool {
	switch o {
	case OpProgAttach, OpProgDetach, OpLinkCreate, OpLinkUpdate, OpLinkDetach:
		return true
	}
	return false
}

// Error is a refusal: what was asked, the errno, and, when a model answered,
// the rule that refused.
//
// errors.Is matches the errno in every form that [Errno.Is] knows.
type Error struct {
	Op     Op
	Errno  Errno
	Rule   Rule   // the rule's id; empty from a real kernel, which gives no reason
	Detail string // the reason in English with the numbers involved, or empty
	Extack string // what a kernel's rtnetlink tells of it in words, or empty
}

// Error returns for example
// "prog attach: expected revision 3, hook is at 5: ESTALE".
func (e *Error) Error() string {
	if e.Detail == "" {
		return string(e.Op) + ": " + e.Errno.String()
	}
	return string(e.Op) + ": " + e.Detail + ": " + e.Errno.String()
}

// Unwrap returns the errno.
func (e *Error) Unwrap() error { return e.Errno }

// Rule is the id of a rule of the kernel, such as "revision/stale". The rules
// are listed, with their sources, in docs/semantics.md.
type Rule string

// ErrnoOf returns the errno that err carries, 0 when err is nil, and false
// when err is an error without an errno. An errno of the system's own
// (syscall.Errno, which unix.Errno is another name for) counts by its name or,
// where the system has no such name, as a number of Linux.
func ErrnoOf(err error) (Errno, bool) {
	if err == nil {
		return 0, true
	}
	if refusal, ok := err.(*Error); ok { // as nearly always
		return refusal.Errno, true
	}
	var refusal *Error
	if errors.As(err, &refusal) {
		return refusal.Errno, true
	}
	var ours Errno
	if errors.As(err, &ours) {
		return ours, true
	}
	var system syscall.Errno
	if !errors.As(err, &system) || system == 0 {
		return 0, false
	}
	return ofSystem(system), true
}

// ErrUnsupported is wrapped by an [Environment] that cannot do what it is
// asked: a missing kernel feature, or a request that a library's API cannot
// express. Unsupported is not failed.
var ErrUnsupported = errors.New("unsupported")
