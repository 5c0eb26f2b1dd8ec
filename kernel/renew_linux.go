package kernel

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/nkconform/nkconform/mprog"
)

// Renew makes the environment as good as new, at a fraction of the cost: the
// first process's descriptors are closed, the other processes end, what is
// attached is let go, devices, pins and further namespaces vanish. Only
// ifindexes go on counting.
//
// After an error the environment must be shut down.
func (k *Kernel) Renew() error {
	if err := k.renew(); err != nil {
		return fmt.Errorf("renew environment: %w", err)
	}
	return nil
}

func (k *Kernel) renew() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, p := range k.children {
		_ = p.Exit() // those that have exited say so
	}
	k.children = nil
	for _, n := range k.netns[1:] {
		n.close()
	}
	k.netns = k.netns[:1]
	err := errors.Join(k.recorder.close(), k.withLinks((*rtnl).deleteDevices))
	k.recorder, k.mute = nil, false
	if err != nil {
		return err
	}
	if err := k.restart(); err != nil {
		return err
	}
	return k.clearLoopback()
}

// restart closes the first process's descriptors. One that has a bpf file system
// must give way to another, as nothing else unmounts that.
func (k *Kernel) restart() error {
	if k.bpffs == nil {
		return k.closeAll()
	}
	_ = k.Exit()
	p, err := startFirst(k.netns0().enter)
	if err == nil {
		k.Process = p
	}
	return err
}

func (p *Process) closeAll() (err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if doErr := p.do(func() { err = p.fds.closeAll() }); doErr != nil {
		return doErr
	}
	return err
}

// deleteDevices deletes every device but lo.
func (r *rtnl) deleteDevices() error {
	indexes, err := r.indexes()
	if err != nil {
		return fmt.Errorf("list devices: %w", err)
	}
	for _, index := range indexes {
		if index == loopback {
			continue
		}
		// One end of a pair takes the other with it.
		if err := r.remove(index); err != nil && err != unix.ENODEV {
			return fmt.Errorf("delete device %d: %w", index, plainErrno(err))
		}
	}
	return nil
}

// clearLoopback detaches what is left on lo: the programs that no link owned.
func (p *Process) clearLoopback() error {
	for _, at := range []mprog.AttachType{mprog.TCXIngress, mprog.TCXEgress} {
		for {
			err := p.ProgDetach(mprog.DetachRequest{TargetIfindex: loopback, AttachType: at, Flags: mprog.Before})
			if errors.Is(err, mprog.ENOENT) || errors.Is(err, mprog.EINVAL) { // EINVAL: a kernel without tcx
				break
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}
