// Package intercept runs an unmodified program on a simulated kernel: its
// bpf(2), and what it asks rtnetlink of netkit devices, is answered by package
// fake. The program needs no privileges, and the running kernel no netkit.
//
// None of the program's calls of bpf(2) reaches the running kernel, whatever
// happens: not when it calls by a 32-bit number, not when this process dies.
//
// The work is divided: notify has system calls answered by this process, sim
// answers the bytes of bpf(2), rtnl those of rtnetlink; this package brings
// them together.
package intercept

import (
	"io"
	"os"

	"github.com/nkconform/nkconform/fake"
	"github.com/nkconform/nkconform/intercept/sim"
	"github.com/nkconform/nkconform/mprog"
)

// Options say how a program is run. The zero value runs it on the newest kernel
// known, without devices.
type Options struct {
	// Kernel answers; nil is a new one. It must have no devices, and makes and
	// deletes none meanwhile: the program would not see it. A test that wants to
	// takes a kernel of [NewT].
	Kernel *fake.Kernel
	// Devices are pairs of netkit devices to begin with, by their names.
	Devices [][2]string
	// Explain, if not nil, gets a line for every call: what was asked, the
	// answer, and the rule behind a refusal.
	Explain io.Writer
	// Warnings gets a line for what the program does that is not simulated; nil
	// is os.Stderr.
	Warnings io.Writer
	// Faults are calls that fail for no reason. One that never happens is warned
	// of.
	Faults []sim.Fault
	// Rivals act in front of calls.
	Rivals []Rival
	// Strict has a program fail that has ended well, with status 1, when something was
	// not simulated as the kernel has it, or when a fault or a rival never came.
	Strict bool
	// Verdicts are what test runs of programs return, by the programs' names.
	Verdicts map[string]int32
	// Refuse has kinds of attachments refused, as a kernel that lacks them does; see
	// [sim.RefusedKinds].
	Refuse map[string]mprog.Errno
	// Summary, if not nil, gets in JSON what was not simulated as the kernel has it,
	// when the program has ended.
	Summary io.Writer
	// Record, if not nil, gets the trace of what was done to hooks, when the
	// program has ended.
	Record io.Writer
	// Host leaves the program in the namespaces that it would be in anyway. By
	// default it has namespaces of its own, in which it is root, if the system
	// permits that.
	Host bool
	// Skip is for [Main]. Where calls cannot be intercepted, it runs the tests all
	// the same, and [NewT] skips its test with the reason. Otherwise, and by
	// default, the whole run fails.
	Skip bool

	// Parallel is for [Main]. Each kernel of [NewT] has a network and a mount
	// namespace of its own, and tests can run at the same time: their code runs in
	// [Do]. Calls from anywhere else are refused with EPERM.
	Parallel bool

	held bool // the program decides about the kernel
}

// Rival is another agent on the machine.
type Rival struct {
	Calls sim.Fault // in front of which it acts; the errno does not matter
	// Act acts, by the calls of a process with all capabilities in the network
	// namespace that the program begins in. AddDevice finds devices that the
	// program has, DeleteDevice deletes them. An error is warned of.
	Act func(mprog.Environment) error
}

func (o *Options) warnings() io.Writer {
	if o.Warnings != nil {
		return o.Warnings
	}
	return os.Stderr
}
