package kernel

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/nkconform/nkconform/mprog"
)

// ownMounts gives the current thread a mount namespace of its own. Nothing that is
// mounted there is seen outside, and it goes with the threads in it. In it is a /tmp
// that can be written to, which a guest on its host's files may lack.
func ownMounts() error {
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		return fmt.Errorf("%w: a mount namespace: %v", mprog.ErrUnsupported, err)
	}
	if err := unix.Mount("", "/", "", unix.MS_PRIVATE|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("%w: private mounts: %v", mprog.ErrUnsupported, err)
	}
	if unix.Access("/tmp", unix.W_OK) != unix.EROFS {
		return nil
	}
	if err := unix.Mount("tmpfs", "/tmp", "tmpfs", 0, ""); err != nil {
		return fmt.Errorf("%w: mount a /tmp that can be written to: %v", mprog.ErrUnsupported, err)
	}
	return nil
}

func mountBPFFS() error {
	const flags = unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC
	if err := unix.Mount("bpf", mprog.BPFFS, "bpf", flags, ""); err != nil {
		return fmt.Errorf("%w: mount a bpf file system at %s: %v", mprog.ErrUnsupported, mprog.BPFFS, err)
	}
	return nil
}

// unmountBPFFS takes the environment's bpf file system away, with all pins.
func (p *Process) unmountBPFFS() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.bpffs == nil || *p.bpffs != nil {
		return nil
	}
	var err error
	if doErr := p.do(func() { err = unix.Unmount(mprog.BPFFS, unix.MNT_DETACH) }); doErr != nil {
		return doErr
	}
	if err != nil {
		return fmt.Errorf("unmount %s: %w", mprog.BPFFS, err)
	}
	p.bpffs = nil
	return nil
}

// enterMounts moves the current thread into another thread's mount namespace.
func enterMounts(tid int) error {
	if err := unix.Unshare(unix.CLONE_FS); err != nil {
		return os.NewSyscallError("unshare", err)
	}
	return setns(tid, "ns/mnt", unix.CLONE_NEWNS)
}

// needBPFFS sees to it that the process has its environment's bpf file system.
// The first process mounts it when it first needs it, as that costs a third of a
// whole environment; the others have had it from their start. The caller holds
// p.mu.
func (p *Process) needBPFFS() error {
	if p.bpffs == nil {
		err := p.do(func() {
			var err error
			if !p.mounts {
				err = ownMounts()
				p.mounts = err == nil
			}
			if err == nil {
				err = mountBPFFS()
			}
			p.bpffs = &err
		})
		if err != nil {
			return err
		}
	}
	return *p.bpffs
}
