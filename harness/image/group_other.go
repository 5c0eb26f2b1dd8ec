//go:build !unix

package image

import (
	"os/exec"
	"syscall"
)

// runGroup runs the command, which the end of its context kills.
func runGroup(cmd *exec.Cmd, _ syscall.Signal) error { return cmd.Run() }
