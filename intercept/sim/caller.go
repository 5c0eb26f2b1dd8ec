package sim

import (
	"github.com/nkconform/nkconform/intercept/machine"
	"github.com/nkconform/nkconform/mprog"
)

// Caller is the thread that makes a call, as far as bpf(2) looks at it. Its
// methods are called by the call in hand alone.
type Caller interface {
	// Read fills p from an address of the caller's memory on, or fails when
	// part of it cannot be read.
	Read(address uint64, p []byte) error
	// ReadSome fills the front of p as far as memory can be read.
	ReadSome(address uint64, p []byte) (int, error)
	// Write writes to the caller's memory, or fails when part of it cannot be
	// written.
	Write(...Segment) error
	// Object returns what the caller's fd refers to: nil if that is no object
	// of the simulation, false if the fd is not open.
	Object(fd uint32) (*Object, bool)
	// Netns identifies the caller's network namespace.
	Netns() uint64
	// Capable reports whether the caller holds a capability.
	Capable(mprog.Capability) bool
	// UID is the caller's user, as the caller's user namespace numbers it.
	UID() uint32
	// Nested reports whether the caller is in another user namespace than the kernel's
	// first.
	Nested() bool
	// BPFFS looks at what an fd is.
	BPFFS(fd uint32) BPFFS
	// DeviceName returns the name of a device of the running kernel's, in the
	// caller's network namespace.
	DeviceName(ifindex uint32) (string, bool)
	// DeviceDriver returns the name of the device's driver, "" if nobody says.
	DeviceDriver(ifindex uint32) string
	// Outside is the caller's network namespace as programs ask about it, nil if
	// they cannot.
	Outside() machine.Outside
	// Task is the caller as programs see it that run while it is on the processor.
	Task() *machine.Task
	// Target returns what the caller's fd refers to that programs can be attached to,
	// and whether it is open; TaskTarget does so for another process.
	Target(fd uint32) (Target, bool)
	TaskTarget(pid, fd uint32) (Target, bool)
	// HasTask reports whether there is a process, as the caller numbers them.
	HasTask(pid uint32) bool
	// Executable says why probes cannot be put into a file; 0 if they can.
	Executable(path string) mprog.Errno
	// CreatePin makes the file that stands for a pin, FindPin finds it. A
	// relative path starts at dirFD.
	CreatePin(dirFD int32, path string) (PinKey, mprog.Errno)
	FindPin(dirFD int32, path string) (PinKey, mprog.Errno)
}

// Segment is a piece of a caller's memory to write.
type Segment struct {
	Address uint64
	Data    []byte
}

// PinKey identifies a file in a simulated bpf file system, whatever its name.
type PinKey struct {
	Device, Inode uint64
}

// Answer is what a call returns.
type Answer struct {
	Value int64
	Errno mprog.Errno
	// New is an object to be given to the caller as a new fd, whose number is
	// then the call's value. When that fails it must be closed.
	New *Object
	// Hooked is the device that has got a program at a tcx hook, if one has.
	Hooked uint32
	// Command, Request and Err tell what was asked and why it was refused.
	Command string
	Request any
	Err     error
}

// BPFFS is what an fd is to those who want a token of its bpf file system.
type BPFFS struct {
	Open  bool
	Root  bool // the root of a simulated one
	Own   bool // made in the caller's user namespace
	Other bool // one of the running kernel's
}
