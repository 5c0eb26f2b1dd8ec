// Package guest is the part of the harness that runs inside a booted kernel:
// the program that boots a machine hands itself to the kernel as its init, and
// Main turns that process into the guest side. In any other process Main does
// nothing.
package guest

import (
	"os"
	"path/filepath"
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

// ModulesDir is where the kernel's modules lie in a guest's initramfs, as below
// /lib/modules/RELEASE, and ModprobePath is this program there, under the name by
// which the kernel calls it to load one.
const (
	ModulesDir   = "/nkconform-modules"
	ModprobePath = ModulesDir + "/modprobe"
)

var called atomic.Bool

// Main must be the first call of main (or TestMain) in every program that
// boots machines. If the process is the guest side it runs the guest's job,
// ends the machine and never returns; otherwise it returns at once.
func Main() {
	called.Store(true)
	if isModprobe(os.Args[0]) {
		os.Exit(modprobe(os.Args[1:]))
	}
	if mode := os.Getenv(Env); mode != "" {
		run(mode)
	}
}

// isModprobe reports whether this process was called to load a module, in a guest.
func isModprobe(name string) bool {
	if filepath.Base(name) != filepath.Base(ModprobePath) {
		return false
	}
	_, err := os.Stat(JobFile)
	return err == nil
}

// Called reports whether this process has called Main, without which it
// cannot serve as a guest.
func Called() bool { return called.Load() }
