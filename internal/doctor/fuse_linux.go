//go:build amd64 || arm64

package doctor

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// tryFUSE mounts a file system in a mount namespace that ends with it; without root, as
// root of a user namespace.
func tryFUSE() (string, error) {
	if _, err := tryRoot(); err == nil {
		return "", again("fuse", &syscall.SysProcAttr{Unshareflags: unix.CLONE_NEWNS})
	}
	if _, err := tryUserNamespace(); err != nil {
		return "", &Missing{Why: "needs root or userns"}
	}
	return "", again("fuse", newUser(unix.CLONE_NEWNS))
}

// openFUSE mounts a file system that nobody serves, and looks at nothing in it.
func openFUSE() error {
	const path = "/dev/fuse"
	fd, err := unix.Open(path, unix.O_RDWR|unix.O_CLOEXEC, 0)
	switch {
	case errors.Is(err, unix.ENOENT) && inContainer(), errors.Is(err, unix.EPERM):
		return &Missing{path + " is missing", "docker run --device /dev/fuse"}
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.ENODEV), errors.Is(err, unix.ENXIO):
		return &Missing{path + " is missing", asRoot("modprobe fuse")}
	case errors.Is(err, unix.EACCES):
		return &Missing{path + " is not for everybody", asRoot("chmod 0666 " + path)}
	case err != nil:
		return fmt.Errorf("open %s: %w", path, err)
	}
	defer unix.Close(fd)
	options := fmt.Sprintf("fd=%d,rootmode=40755,user_id=%d,group_id=%d", fd, os.Geteuid(), os.Getegid())
	if err := errors.Join(unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""), unix.Mount("doctor", os.TempDir(), "fuse", unix.MS_NOSUID|unix.MS_NODEV, options)); err != nil {
		return &Missing{fmt.Sprintf("mount a file system of FUSE: %v", err), ""}
	}
	return nil
}
