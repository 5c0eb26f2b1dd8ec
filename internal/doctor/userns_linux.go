//go:build amd64 || arm64

package doctor

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// nobody is an ordinary user, that every system has.
const nobody = 65534

// tryUserNamespace makes a user namespace as an ordinary user does, and in it
// those for network and mounts.
func tryUserNamespace() (string, error) {
	if os.Geteuid() != 0 {
		return "", enterNamespaces()
	}
	err := again("user", &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}})
	var start *fs.PathError
	if errors.As(err, &start) { // a root that cannot become anybody else
		return "", enterNamespaces()
	}
	return "as nobody", err
}

// allUsers is /proc/self/uid_map of the first user namespace.
const allUsers = "         0          0 4294967295\n"

// isNamespaceRoot reports whether this process is in another user namespace than
// the first, where root is root of little.
func isNamespaceRoot() bool {
	text, err := os.ReadFile("/proc/self/uid_map")
	return err == nil && string(text) != allUsers
}

// enterNamespaces has a process made in them.
func enterNamespaces() error {
	if err := again("nothing", newUser(0)); err != nil {
		return namespaceRefused(err)
	}
	if err := again("nothing", newUser(unix.CLONE_NEWNET|unix.CLONE_NEWNS)); err != nil {
		return withoutCapabilities(err)
	}
	return nil
}

// namespaceRefused says why a user namespace is not to be had.
func namespaceRefused(err error) error {
	refused := errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES)
	switch {
	case errors.Is(err, unix.ENOSPC) || setting("user.max_user_namespaces") == "0":
		return &Missing{"user.max_user_namespaces is " + setting("user.max_user_namespaces"), sysctl("user.max_user_namespaces=10000")}
	case errors.Is(err, unix.EINVAL), errors.Is(err, unix.ENOSYS):
		return &Missing{"the kernel was built without CONFIG_USER_NS", newKernel}
	case refused && setting("kernel.unprivileged_userns_clone") == "0":
		return &Missing{"kernel.unprivileged_userns_clone is 0", sysctl("kernel.unprivileged_userns_clone=1")}
	case refused && setting(appArmor) == "1":
		return withoutCapabilities(err)
	case refused && inContainer():
		return &Missing{fmt.Sprintf("a container's profile refuses them: %v", err), "docker run --security-opt seccomp=unconfined"}
	case refused:
		return &Missing{fmt.Sprintf("refused, as within chroot: %v", err), ""}
	}
	return fmt.Errorf("user namespace: %w", err)
}

// appArmor is Ubuntu's setting that has the capabilities of an ordinary user's
// namespace refused, though they seem to be there.
const appArmor = "kernel.apparmor_restrict_unprivileged_userns"

// withoutCapabilities says why root of a user namespace is not allowed to be it.
func withoutCapabilities(err error) error {
	if setting(appArmor) == "1" {
		return &Missing{appArmor + " is 1: root of a user namespace has no capabilities", sysctl(appArmor + "=0")}
	}
	if errors.Is(err, unix.ENOSPC) {
		return &Missing{"user.max_net_namespaces or user.max_mnt_namespaces is reached", sysctl("user.max_net_namespaces=10000 user.max_mnt_namespaces=10000")}
	}
	return &Missing{fmt.Sprintf("root of a user namespace may not make others: %v", err), "docker run --security-opt seccomp=unconfined --security-opt apparmor=unconfined"}
}
