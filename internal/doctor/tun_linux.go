//go:build amd64 || arm64

package doctor

import (
	"errors"
	"fmt"
	"syscall"

	"golang.org/x/sys/unix"
)

// tryTUN makes a device in a network namespace that ends with it; without root,
// as root of a user namespace.
func tryTUN() (string, error) {
	if _, err := tryRoot(); err == nil {
		return "", again("tun", &syscall.SysProcAttr{Unshareflags: unix.CLONE_NEWNET})
	}
	if _, err := tryUserNamespace(); err != nil {
		return "", &Missing{Why: "needs root or userns"}
	}
	return "", again("tun", newUser(unix.CLONE_NEWNET))
}

// openTUN makes a device.
func openTUN() error {
	const path = "/dev/net/tun"
	fd, err := unix.Open(path, unix.O_RDWR|unix.O_CLOEXEC, 0)
	switch {
	case errors.Is(err, unix.ENOENT) && inContainer():
		return &Missing{path + " is missing", "docker run --device /dev/net/tun"}
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.ENODEV), errors.Is(err, unix.ENXIO):
		return &Missing{path + " is missing", asRoot("modprobe tun")}
	case errors.Is(err, unix.EACCES):
		return &Missing{path + " is not for everybody", asRoot("chmod 0666 " + path)}
	case errors.Is(err, unix.EPERM):
		return &Missing{path + ": " + err.Error(), "docker run --device /dev/net/tun"}
	case err != nil:
		return fmt.Errorf("open %s: %w", path, err)
	}
	defer unix.Close(fd)
	request, err := unix.NewIfreq("doctor")
	if err != nil {
		return fmt.Errorf("make a TAP device: %w", err)
	}
	request.SetUint16(unix.IFF_TAP | unix.IFF_NO_PI)
	if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, request); err != nil {
		return &Missing{fmt.Sprintf("make a TAP device: %v", err), ""}
	}
	return nil
}
