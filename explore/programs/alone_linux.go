package programs

import (
	"os/exec"
	"syscall"
)

// alone has a program not get the signals of this process's terminal.
func alone(c *exec.Cmd) {
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
}
