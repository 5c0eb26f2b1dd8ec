//go:build unix

package image

import (
	"fmt"
	"os/exec"
	"syscall"

	"github.com/nkconform/nkconform/harness/internal/warden"
)

// runGroup runs a command in a process group of its own. The end of the command's
// context sends the signal to all processes that the command has started, too, and
// so does the end of this process.
func runGroup(cmd *exec.Cmd, end syscall.Signal) error {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, end) }
	if err := cmd.Start(); err != nil {
		return err
	}
	w, errWarden := warden.Start(cmd.Process.Pid, fmt.Sprintf("kill -%d 0", end))
	err := cmd.Wait()
	_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // what has not ended by itself
	if errWarden == nil {
		w.Dismiss()
	}
	return err
}
