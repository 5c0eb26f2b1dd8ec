//go:build amd64 || arm64

package intercept

import (
	"runtime"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/nkconform/nkconform/fake"
	"github.com/nkconform/nkconform/intercept/control"
	"github.com/nkconform/nkconform/kernel"
	"github.com/nkconform/nkconform/mprog"
)

// newNetns makes a network namespace, which lives until the test ends.
func (k *held) newNetns() (any, error) {
	type made struct {
		fd  int
		err error
	}
	done := make(chan made)
	go func() {
		runtime.LockOSThread() // and never unlock: the thread ends with the goroutine
		err := unix.Unshare(unix.CLONE_NEWNET)
		fd := -1
		if err == nil {
			fd, err = unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
		}
		done <- made{fd, err}
	}()
	n := <-done
	if n.err != nil {
		return nil, refusal(mprog.OpNewNetns, n.err)
	}
	var st unix.Stat_t
	if err := unix.Fstat(n.fd, &st); err != nil {
		return nil, refusal(mprog.OpNewNetns, err)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.netns = append(k.netns, n.fd)
	number := mprog.Netns(len(k.netns))
	_, err := k.h.conn.Ask(k.number, control.Netns{Netns: number, Inode: st.Ino})
	return number, err
}

// move moves a device to another network namespace.
func (k *held) move(r fake.MoveRequest) (any, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case r.To == 0:
		return r.Ifindex, k.stays(r.Ifindex)
	case int64(r.To) > int64(len(k.netns)):
		return nil, &mprog.Error{Op: mprog.OpMoveDevice, Errno: mprog.EINVAL}
	}
	fd := k.netns[r.To-1]
	name, err := k.links.Move(r.Ifindex, fd)
	if err != nil {
		return nil, refusal(mprog.OpMoveDevice, err)
	}
	type found struct {
		ifindex uint32
		err     error
	}
	done := make(chan found)
	go func() {
		runtime.LockOSThread() // and never unlock: the thread ends with the goroutine
		if err := unix.Setns(fd, unix.CLONE_NEWNET); err != nil {
			done <- found{0, err}
			return
		}
		there, err := kernel.OpenLinks()
		if err != nil {
			done <- found{0, err}
			return
		}
		defer there.Close()
		ifindex, err := there.Index(name)
		done <- found{ifindex, err}
	}()
	f := <-done
	return f.ifindex, refusal(mprog.OpMoveDevice, f.err)
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
