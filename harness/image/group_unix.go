//go:build unix

package image

import (
	"os/exec"
	"syscall"
)

// killGroup makes the end of the command's context the end of all processes
// that the command has started, too.
func killGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
}
