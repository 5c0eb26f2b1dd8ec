//go:build amd64 || arm64

package doctor

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// Requests of /dev/kvm (include/uapi/linux/kvm.h).
const (
	kvmGetAPIVersion = 0xae00
	kvmCreateVM      = 0xae01
	kvmAPIVersion    = 12
)

// tryKVM makes a virtual machine, without a processor. That no kernel boots on
// it is found out by vm, which then emulates.
func tryKVM() (string, error) {
	const path = "/dev/kvm"
	fd, err := unix.Open(path, unix.O_RDWR|unix.O_CLOEXEC, 0)
	switch {
	case errors.Is(err, unix.ENOENT) && inContainer():
		return "", &Missing{path + " is missing", "docker run --device " + path}
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.ENODEV), errors.Is(err, unix.ENXIO):
		return "", &Missing{path + " is missing", asRoot("modprobe -a kvm_intel kvm_amd")}
	case errors.Is(err, unix.EACCES):
		return "", &Missing{path + " is not for everybody", asRoot("chmod 0666 " + path)}
	case err != nil:
		return "", &Missing{fmt.Sprintf("open %s: %v", path, err), "docker run --device " + path}
	}
	defer unix.Close(fd)
	version, err := unix.IoctlRetInt(fd, kvmGetAPIVersion)
	if err != nil {
		return "", fmt.Errorf("%s: KVM_GET_API_VERSION: %w", path, err)
	}
	if version != kvmAPIVersion {
		return "", &Missing{Why: fmt.Sprintf("%s speaks version %d, not %d", path, version, kvmAPIVersion)}
	}
	vm, err := unix.IoctlRetInt(fd, kvmCreateVM)
	if err != nil {
		return "", &Missing{Why: fmt.Sprintf("%s makes no machine: %v", path, err)}
	}
	return "", unix.Close(vm)
}
