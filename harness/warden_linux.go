package harness

import (
	"fmt"
	"os"
	"os/exec"
	"syscall"
)

// warden ends a process group when this process dies without having done so,
// and removes the group's directory. The kernel kills the leader by itself
// then, but not what the leader has started.
type warden struct {
	alive *os.File // the end of a pipe that closes with this process
	cmd   *exec.Cmd
}

// wardenScript waits for the end of its input. The shell is in the group that
// it kills, so the group's number cannot have become another's.
const wardenScript = `read -r _; rm -rf -- "$1"; kill -KILL 0`

// startWarden starts the warden of a group that exists.
func startWarden(group int, dir string) (*warden, error) {
	in, alive, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("start warden: %w", err)
	}
	defer in.Close()
	cmd := exec.Command("/bin/sh", "-c", wardenScript, "sh", dir)
	cmd.Stdin = in
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pgid: group}
	if err := cmd.Start(); err != nil {
		alive.Close()
		return nil, fmt.Errorf("start warden: %w", err)
	}
	return &warden{alive, cmd}, nil
}

// gone waits for the warden, which has been killed with its group.
func (w *warden) gone() {
	_ = w.cmd.Wait()
	w.alive.Close()
}
