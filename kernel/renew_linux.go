package kernel

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nkconform/nkconform/mprog"
)

// Renew makes the environment as good as new, at a fraction of the cost: the
// first process's descriptors are closed, the other processes end, what is
// attached is let go, devices, pins and further namespaces vanish. Only
// ifindexes go on counting, and lo keeps the place of a qdisc.
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
	if err := k.removeCgroups(); err != nil {
		return err
	}
	k.netns = k.netns[:1] // closeAll closes the others
	err := k.recorder.close()
	k.recorder, k.mute = nil, false
	k.shelf.rearrange(k.fds.kinds)
	if err != nil {
		return err
	}
	return k.onThread(k.deleteDevices, k.closeAll, k.unmountBPFFS, k.clearQdisc, k.clearLoopback)
}

// onThread takes steps on the first process's thread until one fails.
func (k *Kernel) onThread(steps ...func() error) (err error) {
	runErr := k.Run(func() {
		for _, step := range steps {
			if err = step(); err != nil {
				return
			}
		}
	})
	return errors.Join(runErr, err)
}

func (p *Process) closeAll() (err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if doErr := p.do(func() { err = p.fds.closeAll(p.fds.limit - 1) }); doErr != nil {
		return doErr
	}
	return err
}

// deleteDevices deletes the devices that the environment was asked for.
func (k *Kernel) deleteDevices() error {
	for _, d := range k.devices {
		err := k.home().links.removeNamed(d.Name)
		if err == unix.ENODEV && d.Peer != "" { // else one end of a pair takes the other with it
			err = k.home().links.removeNamed(d.Peer)
		}
		if err != nil && err != unix.ENODEV {
			return fmt.Errorf("delete device %s: %w", d.Name, plainErrno(err))
		}
	}
	k.devices = k.devices[:0]
	return nil
}

// clearLoopback detaches what is left on lo: the programs that no link owned. A
// link that was pinned is let go a grace period after its file system.
func (p *Process) clearLoopback() error {
	for _, at := range []mprog.AttachType{mprog.TCXIngress, mprog.TCXEgress} {
		if err := p.clear(mprog.Hook{Ifindex: loopback, Type: at}); err != nil {
			return err
		}
	}
	return nil
}

// clear detaches programs from a hook until there is none, or no such hook.
func (p *Process) clear(h mprog.Hook) error {
	var waiting time.Time
	for {
		err := p.ProgDetach(mprog.DetachRequest{TargetIfindex: h.Ifindex, AttachType: h.Type, Flags: mprog.Before})
		switch {
		case errors.Is(err, mprog.ENOENT), errors.Is(err, mprog.EINVAL): // EINVAL: a kernel without tcx
			return nil
		case err == nil:
		case !errors.Is(err, mprog.EBUSY):
			return err
		case waiting.IsZero():
			waiting = time.Now()
		case time.Since(waiting) > settlePatience:
			return err
		default:
			pause()
		}
	}
}
