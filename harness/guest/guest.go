// Package guest is the part of the harness that runs inside a booted kernel:
// the program that boots a machine hands itself to the kernel as its init, and
// Main turns that process into the guest side. In any other process Main does
// nothing.
package guest

import (
	"os"
	"sync/atomic"
)

// Env is the environment variable that makes a process the guest side. On a
// kernel command line it reaches init's environment. Its value is
// "init:DEVICE" for the first process of a kernel or "agent:JOB" for a
// process in a system that is up already.
const Env = "NKCONFORM_GUEST"

// HangEnv is the environment variable that tells the guest side, as a
// time.Duration writes it, when something in its kernel hangs.
const HangEnv = "NKCONFORM_HANG"

// JobFile is where the job lies in a guest's initramfs.
const JobFile = "/nkconform-job.json"

var called atomic.Bool

// Main must be the first call of main (or TestMain) in every program that
// boots machines. If the process is the guest side it runs the guest's job,
// ends the machine and never returns; otherwise it returns at once.
func Main() {
	called.Store(true)
	if mode := os.Getenv(Env); mode != "" {
		run(mode)
	}
}

// Called reports whether this process has called Main, without which it
// cannot serve as a guest.
func Called() bool { return called.Load() }
