package harness

import (
	"fmt"
	"time"
)

// UnavailableError says that a machine cannot run here.
type UnavailableError struct {
	Machine string
	Missing string // what is missing and how to get it
}

func (e *UnavailableError) Error() string {
	return fmt.Sprintf("machine %s is not available: %s", e.Machine, e.Missing)
}

// Log is the console log that comes with an error.
type Log struct {
	Console string // everything the console showed
	File    string // where it was kept; empty if it could not be
}

// String returns where the log is, to end a sentence with.
func (l Log) String() string {
	if l.File == "" {
		return ""
	}
	return "; console log: " + l.File
}

// BootError says that the guest never spoke: the image is no kernel, or one
// that does not boot in this machine.
type BootError struct {
	Image  string // the reference
	Reason string
	Log
}

func (e *BootError) Error() string {
	return fmt.Sprintf("%s does not boot: %s%s", e.Image, e.Reason, e.Log)
}

// DiedError says that the guest came up and ended without reporting the
// command's exit status: its kernel broke, it hung, or its machine was killed.
type DiedError struct {
	Image  string // the reference
	Reason string
	Log
}

func (e *DiedError) Error() string {
	return fmt.Sprintf("the guest of %s died: %s%s", e.Image, e.Reason, e.Log)
}

// TimeoutError says that the guest came up and was killed because the
// command had not ended in time.
type TimeoutError struct {
	Image string // the reference
	After time.Duration
	Log
}

func (e *TimeoutError) Error() string {
	return fmt.Sprintf("the guest of %s did not finish within %s%s", e.Image, e.After, e.Log)
}
