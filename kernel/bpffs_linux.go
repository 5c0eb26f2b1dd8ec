package kernel

import (
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/nkconform/nkconform/mprog"
)

// mountBPFFS gives the current thread a mount namespace with a bpf file system
// of its own. Nothing of it is seen outside, and it goes with the threads in it.
func mountBPFFS() error {
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		return fmt.Errorf("%w: a mount namespace: %v", mprog.ErrUnsupported, err)
	}
	if err := unix.Mount("", "/", "", unix.MS_PRIVATE|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("%w: private mounts: %v", mprog.ErrUnsupported, err)
	}
	const flags = unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC
	if err := unix.Mount("bpf", mprog.BPFFS, "bpf", flags, ""); err != nil {
		return fmt.Errorf("%w: mount a bpf file system at %s: %v", mprog.ErrUnsupported, mprog.BPFFS, err)
	}
	return nil
}

// enterMounts moves the current thread into another thread's mount namespace.
func enterMounts(tid int) error {
	f, err := os.Open("/proc/self/task/" + strconv.Itoa(tid) + "/ns/mnt")
	if err != nil {
		return err
	}
	defer f.Close()
	if err := unix.Unshare(unix.CLONE_FS); err != nil {
		return os.NewSyscallError("unshare", err)
	}
	return os.NewSyscallError("setns", unix.Setns(int(f.Fd()), unix.CLONE_NEWNS))
}

// needBPFFS sees to it that the process has its environment's bpf file system.
// The first process mounts it when it first needs it, as that costs a third of a
// whole environment; the others have had it from their start. The caller holds
// p.mu.
func (p *Process) needBPFFS() error {
	if p.bpffs == nil {
		err := p.do(func() {
			err := mountBPFFS()
			p.bpffs = &err
		})
		if err != nil {
			return err
		}
	}
	return *p.bpffs
}
