//go:build amd64 || arm64

package intercept

import (
	"errors"
	"fmt"
	"runtime"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/nkconform/nkconform/fake"
	"github.com/nkconform/nkconform/intercept/control"
	"github.com/nkconform/nkconform/kernel"
	"github.com/nkconform/nkconform/mprog"
)

// heldNetns is a network namespace of a kernel that a test holds.
type heldNetns struct {
	fd        int // -1: closed
	ended     bool
	residents int // how many of the kernel's own processes live there
}

// newNetns makes a network namespace, which lives until it is ended, or the test.
func (k *held) newNetns() (any, error) {
	fd := -1
	err := aside(func() (err error) {
		if err = unix.Unshare(unix.CLONE_NEWNET); err == nil {
			fd, err = unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
		}
		return err
	})
	if err != nil {
		return nil, refusal(mprog.OpNewNetns, err)
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return nil, refusal(mprog.OpNewNetns, err)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.netns = append(k.netns, &heldNetns{fd: fd})
	number := mprog.Netns(len(k.netns))
	_, err = k.h.conn.Ask(k.number, control.Netns{Netns: number, Inode: st.Ino})
	return number, err
}

// aside runs a function on a thread of its own, which ends with it, and leaves what
// network namespace the function has entered.
func aside(f func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlock: the thread ends with the goroutine
		if unix.Gettid() != unix.Getpid() {
			done <- f()
			return
		}
		err := aside(f) // not on the program's first thread, which does not end and is held meanwhile
		runtime.UnlockOSThread()
		done <- err
	}()
	return <-done
}

// find returns a network namespace but the first, as the fake does.
func (k *held) find(op mprog.Op, n mprog.Netns) (*heldNetns, error) {
	switch {
	case int64(n) > int64(len(k.netns)):
		return nil, &mprog.Error{Op: op, Errno: mprog.EINVAL}
	case k.netns[n-1].ended:
		return nil, &mprog.Error{Op: op, Errno: mprog.EBADF}
	}
	return k.netns[n-1], nil
}

// endNetns gives a network namespace up; see [fake.Kernel.EndNetns].
func (k *held) endNetns(n mprog.Netns) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if n == 0 {
		return fmt.Errorf("%s: %w: that of the test ends with it", mprog.OpEndNetns, mprog.ErrUnsupported)
	}
	ns, err := k.find(mprog.OpEndNetns, n)
	if err != nil {
		return err
	}
	ns.ended = true
	return k.release(ns)
}

// release ends a network namespace that has been given up and that nobody lives in. It
// returns when its devices are gone, also for the program. The caller holds k.mu.
func (k *held) release(ns *heldNetns) error {
	if !ns.ended || ns.residents > 0 {
		return nil
	}
	var life *kernel.Life
	err := aside(func() (err error) {
		if err = unix.Setns(ns.fd, unix.CLONE_NEWNET); err == nil {
			life, err = kernel.OpenLife()
		}
		return err
	})
	if err == nil {
		err = errors.Join(unix.Close(ns.fd), life.End())
		ns.fd = -1
	}
	if err == nil {
		_, err = k.h.conn.Ask(k.number, control.Review)
	}
	return refusal(mprog.OpEndNetns, err)
}

// fork starts a process, which keeps its network namespace.
func (k *held) fork(c fake.RemoteCall, r mprog.ProcessSpec) (any, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	var ns *heldNetns
	if r.Netns != 0 {
		var err error
		if ns, err = k.find(mprog.OpNewProcess, r.Netns); err != nil {
			return nil, err
		}
	}
	a, err := k.h.conn.Ask(k.number, control.Call{RemoteCall: c})
	if number, ok := a.(int); ok && err == nil && ns != nil {
		ns.residents++
		k.lives[number] = ns
	}
	return a, err
}

// exit ends a process, and its network namespace if it was the last thing in it.
func (k *held) exit(c fake.RemoteCall) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	_, err := k.h.conn.Ask(k.number, control.Call{RemoteCall: c})
	ns := k.lives[c.Process]
	if err != nil || ns == nil {
		return err
	}
	delete(k.lives, c.Process)
	ns.residents--
	return k.release(ns)
}

// move moves a device to another network namespace.
func (k *held) move(r fake.MoveRequest) (any, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if r.To == 0 {
		return r.Ifindex, k.stays(r.Ifindex)
	}
	ns, err := k.find(mprog.OpMoveDevice, r.To)
	if err != nil {
		return nil, err
	}
	fd := ns.fd
	name, err := k.links.Move(r.Ifindex, fd)
	if err != nil {
		return nil, refusal(mprog.OpMoveDevice, err)
	}
	var ifindex uint32
	err = aside(func() error {
		if err := unix.Setns(fd, unix.CLONE_NEWNET); err != nil {
			return err
		}
		there, err := kernel.OpenLinks()
		if err != nil {
			return err
		}
		defer there.Close()
		ifindex, err = there.Index(name)
		return err
	})
	return ifindex, refusal(mprog.OpMoveDevice, err)
}

// stays is what it means to move a device of the first network namespace there
// (dev_change_net_namespace).
func (k *held) stays(ifindex uint32) error {
	there, err := k.links.List()
	switch {
	case err != nil:
		return refusal(mprog.OpMoveDevice, err)
	case !slices.Contains(there, ifindex):
		return &mprog.Error{Op: mprog.OpMoveDevice, Errno: mprog.ENODEV}
	case ifindex == loopbackIndex:
		return &mprog.Error{Op: mprog.OpMoveDevice, Errno: mprog.EINVAL}
	}
	return nil
}
