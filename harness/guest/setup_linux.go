package guest

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// mounts is what a program may expect to find, in the order of mounting.
var mounts = []struct{ fstype, target, options string }{
	{"proc", "/proc", ""},
	{"sysfs", "/sys", ""},
	{"devtmpfs", "/dev", ""},
	{"devpts", "/dev/pts", ""},
	{"tmpfs", "/dev/shm", ""},
	{"bpf", "/sys/fs/bpf", ""},
	{"debugfs", "/sys/kernel/debug", ""},
	{"tracefs", "/sys/kernel/tracing", ""},
	{"cgroup2", "/sys/fs/cgroup", ""},
}

// setUp makes an ordinary system of a bare kernel, as far as it can: file
// systems the kernel lacks are left out. It returns what else went wrong.
func setUp() []error {
	var errs []error
	unix.Umask(0o022)
	for _, m := range mounts {
		// A directory of sysfs or debugfs exists if the kernel has the feature.
		_ = os.MkdirAll(m.target, 0o755)
		err := unix.Mount(m.fstype, m.target, m.fstype, 0, m.options)
		absent := errors.Is(err, unix.ENODEV) || errors.Is(err, unix.ENOENT)
		if err != nil && !absent && !errors.Is(err, unix.EBUSY) {
			errs = append(errs, fmt.Errorf("mount %s: %w", m.target, err))
		}
	}
	// The usual links of /dev; udev or an init script makes them elsewhere.
	for name, target := range map[string]string{"fd": "fd", "stdin": "fd/0", "stdout": "fd/1", "stderr": "fd/2"} {
		_ = os.Symlink("/proc/self/"+target, "/dev/"+name)
	}
	unlimited := unix.Rlimit{Cur: unix.RLIM_INFINITY, Max: unix.RLIM_INFINITY}
	for _, r := range []int{unix.RLIMIT_MEMLOCK, unix.RLIMIT_NPROC} {
		if err := unix.Setrlimit(r, &unlimited); err != nil {
			errs = append(errs, fmt.Errorf("set resource limit: %w", err))
		}
	}
	if err := unix.Sethostname([]byte("nkconform")); err != nil {
		errs = append(errs, fmt.Errorf("set host name: %w", err))
	}
	if err := loopbackUp(); err != nil {
		errs = append(errs, fmt.Errorf("bring up the loopback device: %w", err))
	}
	return errs
}

func loopbackUp() error {
	s, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(s)
	req, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	req.SetUint16(unix.IFF_UP)
	return unix.IoctlIfreq(s, unix.SIOCSIFFLAGS, req)
}
