//go:build amd64 || arm64

package doctor

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/nkconform/nkconform/kernel"
	"github.com/nkconform/nkconform/mprog"
)

// onThread runs a function on a thread of its own, which ends with it.
func onThread(f func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlock
		done <- f()
	}()
	return <-done
}

func tryRoot() (string, error) {
	if err := onThread(func() error { return unix.Unshare(unix.CLONE_NEWNET) }); err != nil {
		if os.Geteuid() != 0 {
			return "", &Missing{"not root", "sudo -E env PATH=\"$PATH\" nkconform ..."}
		}
		return "", &Missing{fmt.Sprintf("root without CAP_SYS_ADMIN: %v", err), "docker run --privileged"}
	}
	if isNamespaceRoot() {
		return "", &Missing{"root of a user namespace only", "run it as root outside of the namespace"}
	}
	return "", nil
}

// errNotRoot is what is missing where only root can try.
var errNotRoot = &Missing{Why: "needs root"}

// newKernel is a kernel that can do something else, for who has none.
const newKernel = "nkconform vm debian:7.3 -- COMMAND"

func tryBPF() (string, error) {
	if _, err := tryRoot(); err != nil {
		return "", errNotRoot
	}
	return "", withKernel(func(*kernel.Kernel) error { return nil })
}

func tryTCX() (string, error) { return "", supports(mprog.FeatureTCX, "Linux 6.6") }

func tryNetkit() (string, error) {
	return "", supports(mprog.FeatureNetkit, "Linux 6.7 with CONFIG_NETKIT")
}

// supports returns nil if the running kernel has the feature, which came with a
// release.
func supports(f mprog.Feature, since string) error {
	if _, err := tryBPF(); err != nil {
		return &Missing{Why: "needs bpf"}
	}
	return withKernel(func(k *kernel.Kernel) error {
		if err := k.Supports(f); err != nil {
			return &Missing{fmt.Sprintf("the running kernel refuses (%v), it takes %s", rootCause(err), since), newKernel}
		}
		return nil
	})
}

// withKernel lends an environment of the running kernel.
func withKernel(f func(*kernel.Kernel) error) error {
	k, err := kernel.New()
	if err != nil {
		get := newKernel
		if errors.Is(err, unix.EPERM) && inContainer() {
			get = "docker run --privileged"
		}
		return &Missing{strings.TrimPrefix(err.Error(), kernel.ErrUnavailable.Error()+": "), get}
	}
	err = f(k)
	return errors.Join(err, k.Shutdown())
}

// rootCause is the errno that an error wraps, or else the error.
func rootCause(err error) error {
	var errno mprog.Errno
	if errors.As(err, &errno) {
		return errno
	}
	return err
}

// tryCgroup makes a cgroup in a mount of its own, which nobody sees.
func tryCgroup() (string, error) {
	if _, err := tryRoot(); err != nil {
		return "", errNotRoot
	}
	fs, err := unix.Fsopen("cgroup2", unix.FSOPEN_CLOEXEC)
	if err != nil {
		return "", &Missing{fmt.Sprintf("the kernel has no cgroup2: %v", err), newKernel}
	}
	defer unix.Close(fs)
	if err := unix.FsconfigCreate(fs); err != nil {
		return "", &Missing{fmt.Sprintf("cgroup2 is refused: %v", err), "docker run --privileged"}
	}
	dir, err := unix.Fsmount(fs, unix.FSMOUNT_CLOEXEC, 0)
	if err != nil {
		return "", &Missing{fmt.Sprintf("mount cgroup2: %v", err), "docker run --privileged"}
	}
	defer unix.Close(dir)
	name := fmt.Sprintf("nkconform-doctor-%d", os.Getpid())
	if err := unix.Mkdirat(dir, name, 0o700); err != nil {
		return "", &Missing{fmt.Sprintf("make a cgroup: %v", err), "docker run --privileged --cgroupns private"}
	}
	return "", unix.Unlinkat(dir, name, unix.AT_REMOVEDIR)
}
