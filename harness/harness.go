// Package harness runs a command as root in a Linux kernel of choice, booted
// for it in a machine that needs neither root nor KVM. A run either returns
// the command's exit status or an error that says how the kernel failed it;
// nothing of a run stays behind but the console log of a failure.
//
// The guest's first process is the calling program itself: its main function
// (or TestMain) must begin with guest.Main.
package harness

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"time"

	"github.com/nkconform/nkconform/harness/console"
	"github.com/nkconform/nkconform/harness/image"
)

// Machine is one way to boot a kernel.
type Machine interface {
	// Name is the name by which Pick knows the machine.
	Name() string
	// HostFiles reports whether the guest sees the host's files unasked.
	HostFiles() bool
	// Available returns nil if the machine can run here, and otherwise an
	// *UnavailableError that says what is missing and how to get it.
	Available() error
	// Run boots the command's image, runs the command in it and ends the
	// machine. The error is an *UnavailableError, *BootError, *DiedError or
	// *TimeoutError, wraps ctx's error if that ended the run, or tells what
	// is wrong with the command. A command that ran to its end is no error,
	// whatever its exit status and the kernel's complaints: see Result. Of a
	// guest that died, the last output may be lost. One whose kernel breaks
	// is ended within two seconds.
	Run(ctx context.Context, c Command) (Result, error)
}

// Command is what to run, and in which kernel.
type Command struct {
	// Image is the kernel to boot.
	Image image.Image
	// Argv is the command and its arguments. Argv[0] is looked up in PATH
	// and taken into the guest with what it needs to run.
	Argv []string
	// Env is added to the guest's small environment (PATH, HOME, TERM).
	Env []string
	// Dir is the working directory. Optional; it is made in the guest if
	// it is not among Files.
	Dir string
	// Files are files and directories of the host that the guest shall have
	// at the same path. Programs among them come with what they need to run.
	// What the guest writes to them stays in the guest.
	Files []string
	// Out are files and folders of the host that the guest shall have at the
	// same path, a folder's contents only if they are among Files. What the
	// command has left there when it ends comes back, whatever its exit status;
	// what it has removed stays. What is no folder on the host is a file.
	Out []string
	// Stdout and Stderr take the command's output. Optional. They are used
	// by one goroutine at a time.
	Stdout, Stderr io.Writer
	// Timeout limits the whole run; DefaultTimeout if zero.
	Timeout time.Duration
	// BootTimeout limits the time until the guest's first word;
	// DefaultBootTimeout, or what the machine needs, if zero.
	BootTimeout time.Duration
	// HangTimeout is how long a task in the guest may wait uninterruptibly, or
	// a processor of it do one thing, until its kernel is to say that it hangs:
	// DefaultHangTimeout, or EmulatedHangTimeout where processors are emulated,
	// if zero. A guest of which nothing is heard for twice as long hangs, too.
	HangTimeout time.Duration
	// Steady says that the command writes something all the time, so that
	// nothing else is a sign of life of the guest. See Result.Doing.
	Steady bool
	// Broke is called when the kernel says that it is broken: what the command
	// does after that counts for nothing, though some of its output may be from
	// before. Optional. It must not wait for anything.
	Broke func()
	// Memory is the guest's memory in MiB, not counting what is packed for
	// it; DefaultMemory if zero.
	Memory int
	// Modules are modules of the kernel, by name or alias, that are loaded before
	// the command starts, with what they need. They are in ModulesDir.
	Modules []string
	// Autoload brings what the kernel asks for by itself when it is asked for
	// kinds of devices, qdiscs, classifiers and actions, from ModulesDir if there
	// is one. It costs memory, and little time.
	Autoload bool
	// ModulesDir is what image.Image.FetchModules returns. Optional.
	ModulesDir string
	// ModulesHint ends the sentence in which a guest whose command has failed
	// names modules that the kernel has asked for in vain. Optional.
	ModulesHint string
	// CPUs is how many processors the guest has; 1 if zero. A User-Mode Linux has
	// one, and more are slower in emulation.
	CPUs int
	// KernelArgs are added to the kernel command line. Optional.
	KernelArgs []string
	// Progress is told what the machine must fetch before it can run, as
	// image.Options say. Optional.
	Progress io.Writer
	// Notes takes a line for each thing that the guest lacks or that goes
	// otherwise than the caller may expect. Optional.
	Notes io.Writer
	// LogDir is where the console log of a failed run is kept; a directory
	// in the user's cache if empty.
	LogDir string
}

// Defaults of a Command.
const (
	DefaultTimeout     = 5 * time.Minute
	DefaultBootTimeout = time.Minute
	// What takes a processor a moment can take an emulated one a second, and
	// several guests may share the processors there are.
	DefaultHangTimeout  = 10 * time.Second
	EmulatedHangTimeout = 30 * time.Second
	DefaultMemory       = 512
)

// note tells the caller something.
func (c Command) note(format string, args ...any) {
	if c.Notes != nil {
		fmt.Fprintf(c.Notes, format+"\n", args...)
	}
}

// limits returns how long the whole run and the boot may take.
func (c Command) limits() (run, boot time.Duration) {
	run, boot = cmp.Or(c.Timeout, DefaultTimeout), cmp.Or(c.BootTimeout, DefaultBootTimeout)
	return run, min(run, boot)
}

// hang returns how long the guest may hang until it is told so.
func (c Command) hang(accel string) time.Duration {
	if accel == "tcg" {
		return cmp.Or(c.HangTimeout, EmulatedHangTimeout)
	}
	return cmp.Or(c.HangTimeout, DefaultHangTimeout)
}

// silence returns how long nothing may be heard from the guest: its kernel has the
// time to say first that it hangs.
func (c Command) silence(accel string) time.Duration { return 2 * c.hang(accel) }

// Result is what came of a command that ran to its end.
type Result struct {
	// ExitStatus is the command's, or 128 plus the signal that killed it,
	// or 126 or 127 if it could not be started.
	ExitStatus int
	// Release is the guest's kernel release, as uname -r prints it.
	Release string
	// Console is everything that was printed on the guest's console.
	Console string
	// Boot is the time until the guest's first word, Total that of all.
	Boot, Total time.Duration
	// KernelTrouble is what the kernel complains of about itself on the
	// console: warnings, bugs, oopses, stalls.
	KernelTrouble []console.Complaint
	// Doing is what a Steady command was doing that hangs, of those of its
	// threads that have names of their own: "NAME (STATE) in FUNCTION" and the
	// calls of the kernel, as far as it tells them, indented.
	Doing string
	// Accel is what executed the guest: "kvm", "tcg" or "uml".
	Accel string
}
