//go:build amd64 || arm64

package intercept

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/nkconform/nkconform/mprog"
)

// insideVariable is in the environment of this program where it was started
// again as root of a user namespace.
const insideVariable = "NKCONFORM_USER_NAMESPACE"

// enterUserNamespace runs this program again, with the same arguments, as root
// of a user namespace, unless it may make other namespaces as it is. It returns
// false where there is no such need, or where it is not permitted.
func enterUserNamespace() (status int, entered bool, err error) {
	if os.Getenv(insideVariable) != "" || capable(mprog.CapSysAdmin) && capable(mprog.CapNetAdmin) {
		return 0, false, nil
	}
	forward := forwardSignals()
	defer forward.stop()
	pid, err := syscall.ForkExec("/proc/self/exe", os.Args, &syscall.ProcAttr{
		Env: append(os.Environ(), insideVariable+"=1"), Files: []uintptr{0, 1, 2},
		Sys: &syscall.SysProcAttr{
			Cloneflags:  unix.CLONE_NEWUSER,
			UidMappings: []syscall.SysProcIDMap{{HostID: os.Geteuid(), Size: 1}},
			GidMappings: []syscall.SysProcIDMap{{HostID: os.Getegid(), Size: 1}},
			Pdeathsig:   syscall.SIGKILL,
		},
	})
	if err != nil {
		return 0, false, nil // not permitted: then it must do without
	}
	forward.to(pid)
	status, err = wait(pid)
	return status, true, err
}

// capable reports whether this process holds a capability.
func capable(c mprog.Capability) bool {
	var data [2]unix.CapUserData
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	return unix.Capget(&header, &data[0]) == nil && data[c/32].Effective>>(c%32)&1 != 0
}

// programEnvironment is an environment without what is for this package.
func programEnvironment(env []string) []string {
	kept := make([]string, 0, len(env))
	for _, v := range env {
		if !strings.HasPrefix(v, insideVariable+"=") {
			kept = append(kept, v)
		}
	}
	return kept
}

// isolate gives the current thread, from which the program will be forked,
// namespaces for network and mounts, and a simulated bpf file system. Where that
// is not permitted, nothing changes, which is told.
func (s *supervisor) isolate() error {
	err := error(unix.EPERM) // no user namespace, see enterUserNamespace
	if capable(mprog.CapSysAdmin) && capable(mprog.CapNetAdmin) {
		err = s.separate()
	}
	switch {
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES):
		s.say("the program stays in the caller's namespaces, without /sys/fs/bpf: user namespaces are refused" + seeDoctor)
	case err != nil:
		return err
	}
	return s.settle()
}

// separate changes the thread's namespaces. Ubuntu's AppArmor takes the
// capabilities for it away from ordinary users, though they seem to have them.
func (s *supervisor) separate() error {
	if err := unix.Unshare(unix.CLONE_NEWNS | unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("namespaces for the program: %w", err)
	}
	var err error
	if s.homeFD, err = openNetns(); err != nil {
		return err
	}
	s.private = true
	if err := raiseLoopback(); err != nil {
		return err
	}
	err = unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, "")
	if errors.Is(err, unix.EINVAL) { // then what is mounted would be seen outside
		s.say("the program has no /sys/fs/bpf: its root folder, as within chroot, is no mount point; mount --bind makes it one")
		return nil
	}
	if err != nil {
		return fmt.Errorf("mounts for the program: %w", err)
	}
	s.mounts = true
	for _, mount := range []func() error{ownSysfs, ownRun} {
		if err := mount(); err != nil {
			s.say(err.Error())
		}
	}
	s.mountTrees()
	if err := s.mountBPF(mprog.BPFFS, s.users); err != nil && !errors.Is(err, unix.ENOENT) {
		return err
	}
	return nil
}

// settle notes the namespace that the program begins in.
func (s *supervisor) settle() error {
	var err error
	if s.home, err = currentNetns(); err != nil {
		return err
	}
	s.sim.Home(s.home)
	for _, pair := range s.devices {
		if err := s.rtnl.AddPair(s.home, pair[0], pair[1]); err != nil {
			return err
		}
	}
	return nil
}

// mountBPF mounts what passes for a bpf file system, where the current thread
// sees it, for somebody of a user namespace.
func (s *supervisor) mountBPF(dir string, users uint64) error {
	if err := unix.Mount("bpf", dir, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "mode=700"); err != nil {
		return fmt.Errorf("mount %s: %w", dir, err)
	}
	var st unix.Stat_t
	if err := unix.Stat(dir, &st); err != nil {
		return fmt.Errorf("mount %s: %w", dir, err)
	}
	s.bpffs[st.Dev], s.mounters[st.Dev] = true, users
	return nil
}

// raiseLoopback brings the loopback device of the thread's network namespace up.
func raiseLoopback() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("bring lo up: %w", err)
	}
	defer unix.Close(fd)
	request, err := unix.NewIfreq("lo")
	if err != nil {
		return fmt.Errorf("bring lo up: %w", err)
	}
	request.SetUint16(unix.IFF_UP)
	if err := ioctlIfreq(fd, unix.SIOCSIFFLAGS, request); err != nil {
		return fmt.Errorf("bring lo up: %w", err)
	}
	return nil
}
