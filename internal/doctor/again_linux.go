//go:build amd64 || arm64

package doctor

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"
)

// againVariable is in the environment of this program where it was started again
// to try one thing, in namespaces of its own or as somebody else.
const againVariable = "NKCONFORM_DOCTOR"

// parts are what the program is started again for.
var parts = map[string]func() error{
	"nothing": func() error { return nil },
	"tun":     openTUN,
	"fuse":    openFUSE,
	"user":    enterNamespaces,
}

// init plays a part before main, so that any program that imports this package,
// tests included, can be started again.
func init() {
	name := os.Getenv(againVariable)
	if name == "" {
		return
	}
	part, ok := parts[name]
	if !ok {
		fmt.Fprintf(os.Stderr, "%s=%s: no such part\n", againVariable, name)
		os.Exit(2)
	}
	err := part()
	var m *Missing
	switch {
	case err == nil:
		os.Exit(0)
	case errors.As(err, &m):
		_ = json.NewEncoder(os.Stdout).Encode(m)
		os.Exit(0)
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// again starts this program for a part. Its error is that of the start, or the
// part's own.
func again(part string, attr *syscall.SysProcAttr) error {
	attr.Pdeathsig = syscall.SIGKILL
	var out, said bytes.Buffer
	c := exec.Command("/proc/self/exe")
	c.Env = append(os.Environ(), againVariable+"="+part)
	c.Stdin = new(bytes.Buffer) // there may be no /dev/null
	c.Stdout, c.Stderr, c.SysProcAttr = &out, &said, attr
	if err := c.Run(); err != nil {
		if said.Len() > 0 {
			return fmt.Errorf("%w: %s", err, bytes.TrimSpace(said.Bytes()))
		}
		return err
	}
	if out.Len() == 0 {
		return nil
	}
	m := new(Missing)
	if err := json.Unmarshal(out.Bytes(), m); err != nil {
		return fmt.Errorf("%s: %w", part, err)
	}
	return m
}

// newUser are the attributes of a process that is root of a user namespace, and
// in the same moment of further ones.
func newUser(further uintptr) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{
		Cloneflags: unix.CLONE_NEWUSER, Unshareflags: further,
		UidMappings: []syscall.SysProcIDMap{{HostID: os.Geteuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{HostID: os.Getegid(), Size: 1}},
	}
}
