package kernel

import (
	"errors"
	"fmt"
	"os"
	"strconv"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/nkconform/nkconform/mprog"
)

// namespace is a network namespace, which lives as long as these descriptors of
// the first process's thread are open, or a process lives there.
type namespace struct {
	fd    int
	links *rtnl

	closed    bool // they are not open any more
	life      int  // see awaitEnd; from then on
	residents int  // how many processes live there
}

// openNamespace opens the network namespace that the current thread is in.
func openNamespace() (*namespace, error) {
	fd, err := unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("open a network namespace", err)
	}
	links, err := openRTNL()
	if err != nil {
		unix.Close(fd)
		return nil, err
	}
	return &namespace{fd: fd, links: links}, nil
}

// enter moves the first process's thread into the namespace.
func (n *namespace) enter() error {
	return os.NewSyscallError("setns", unix.Setns(n.fd, unix.CLONE_NEWNET))
}

// visit runs a function on the first process's thread in another namespace.
func (k *Kernel) visit(n *namespace, call func() error) error {
	if n == k.home() {
		return call()
	}
	if err := n.enter(); err != nil {
		return err
	}
	return errors.Join(call(), k.home().enter())
}

// enterFrom moves the current thread, which has the program's own descriptors,
// into a namespace that another thread has open.
func enterFrom(tid, fd int) error {
	return setns(tid, "fd/"+strconv.Itoa(fd), unix.CLONE_NEWNET)
}

// setns moves the current thread into a namespace that another thread has.
func setns(tid int, file string, kind int) error {
	fd, err := unix.Open("/proc/self/task/"+strconv.Itoa(tid)+"/"+file, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("open a namespace", err)
	}
	defer unix.Close(fd)
	return os.NewSyscallError("setns", unix.Setns(fd, kind))
}

// NewNetns creates a network namespace, with a loopback device that is down.
func (k *Kernel) NewNetns() (mprog.Netns, error) {
	var n *namespace
	err := k.onThread(func() (err error) {
		n, err = k.newNamespace()
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("new network namespace: %w", err)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.netns = append(k.netns, n)
	return mprog.Netns(len(k.netns) - 1), nil
}

func (k *Kernel) newNamespace() (n *namespace, err error) {
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return nil, unavailable("a network namespace", err)
	}
	n, err = openNamespace()
	if err := errors.Join(err, k.home().enter()); err != nil {
		return nil, err
	}
	for _, fd := range []*int{&n.fd, &n.links.fd} {
		if *fd, err = k.fds.hide(*fd); err != nil {
			return nil, err
		}
	}
	return n, nil
}

// namespace returns a namespace by its number.
func (k *Kernel) namespace(n mprog.Netns) (*namespace, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if int64(n) >= int64(len(k.netns)) {
		return nil, fmt.Errorf("no network namespace %d: %w", n, mprog.EINVAL)
	}
	return k.netns[n], nil
}

// MoveDevice moves a device to another namespace, which takes it down. It keeps
// its ifindex unless another device has that there.
func (k *Kernel) MoveDevice(ifindex uint32, to mprog.Netns) (moved uint32, err error) {
	target, err := k.namespace(to)
	if err == nil { // of one that has been ended the kernel says so
		err = k.onThread(func() error {
			link, err := k.home().links.device(ifindex)
			if err != nil {
				return err
			}
			defer k.filters.letGo()()
			if err := k.home().links.move(link, target.fd); err != nil {
				return plainErrno(err)
			}
			moved, err = target.links.index(link.Attrs().Name)
			return err
		})
	}
	if err != nil {
		return 0, fmt.Errorf("move device %d: %w", ifindex, err)
	}
	return moved, nil
}

// move puts a device into the network namespace that a descriptor refers to.
func (r *rtnl) move(link netlink.Link, namespace int) error {
	return r.change(link, 0, nl.NewRtAttr(unix.IFLA_NET_NS_FD, nl.Uint32Attr(uint32(namespace))))
}

// plainErrno returns the errno in err as package mprog's, or err itself.
func plainErrno(err error) error {
	if errno, ok := mprog.ErrnoOf(err); ok {
		return errno
	}
	return err
}

// Enter moves the calling thread, to which its goroutine must be locked, into the
// first process's network namespace, for what is to run there besides bpf(2). The
// thread must have the program's own file descriptors.
func (k *Kernel) Enter() error {
	k.Process.mu.Lock()
	defer k.Process.mu.Unlock()
	if k.thread == nil {
		return errExited
	}
	return enterFrom(k.thread.tid, k.home().fd)
}
