//go:build unix

// Package warden lets what this process has started end with it, however it
// ends: also by SIGKILL, which leaves it no time to see to that itself.
package warden

import (
	"fmt"
	"os"
	"os/exec"
	"syscall"
)

// Warden waits in a process group for the end of this process.
type Warden struct {
	alive *os.File // the end of a pipe that closes with this process
	cmd   *exec.Cmd
}

// Start starts the warden of a process group that exists: a shell that runs the
// script with the arguments when this process has ended. It is in the group, so
// that the group's number cannot have become another's: kill 0 means the group.
func Start(group int, script string, args ...string) (*Warden, error) {
	in, alive, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("start warden: %w", err)
	}
	defer in.Close()
	cmd := exec.Command("/bin/sh", append([]string{"-c", "read -r _; " + script, "sh"}, args...)...)
	cmd.Stdin = in
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pgid: group}
	if err := cmd.Start(); err != nil {
		alive.Close()
		return nil, fmt.Errorf("start warden: %w", err)
	}
	return &Warden{alive, cmd}, nil
}

// Dismiss ends a warden that is not needed any more; it may have been killed with
// its group.
func (w *Warden) Dismiss() {
	_ = w.cmd.Process.Kill()
	_ = w.cmd.Wait()
	w.alive.Close()
}
