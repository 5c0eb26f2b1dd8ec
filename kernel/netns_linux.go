package kernel

import (
	"errors"
	"fmt"
	"os"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/nkconform/nkconform/mprog"
)

// namespace is a network namespace, which lives as long as the descriptors here
// are open.
type namespace struct {
	file  *os.File
	links *netlink.Handle // rtnetlink, for any thread
}

// newNamespace moves the current thread into a new network namespace. The thread
// must have the program's own file descriptors: Go's poller and its finalizers
// know nothing of another table.
func newNamespace() (n *namespace, err error) {
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return nil, unavailable("a network namespace", err)
	}
	n = &namespace{}
	defer func() {
		if err != nil {
			n.close()
		}
	}()
	if n.file, err = os.Open("/proc/thread-self/ns/net"); err != nil {
		return nil, err
	}
	if n.links, err = netlink.NewHandle(unix.NETLINK_ROUTE); err != nil {
		return nil, fmt.Errorf("open rtnetlink: %w", err)
	}
	if err := n.links.SetSocketTimeout(netlinkTimeout); err != nil {
		return nil, fmt.Errorf("open rtnetlink: %w", err)
	}
	return n, nil
}

func (n *namespace) close() {
	if n.links != nil {
		n.links.Close()
	}
	if n.file != nil {
		n.file.Close()
	}
}

// enter moves the current thread into the namespace.
func (n *namespace) enter() error {
	return os.NewSyscallError("setns", unix.Setns(int(n.file.Fd()), unix.CLONE_NEWNET))
}

// NewNetns creates a network namespace, with a loopback device that is down.
func (k *Kernel) NewNetns() (mprog.Netns, error) {
	var n *namespace
	t, err := startThread(func() (err error) {
		n, err = newNamespace()
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("new network namespace: %w", err)
	}
	t.stop()
	k.mu.Lock()
	defer k.mu.Unlock()
	k.netns = append(k.netns, n)
	return mprog.Netns(len(k.netns) - 1), nil
}

// namespace returns a namespace by its number.
func (k *Kernel) namespace(n mprog.Netns) (*namespace, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if int64(n) >= int64(len(k.netns)) {
		return nil, fmt.Errorf("no network namespace %d", n)
	}
	return k.netns[n], nil
}

// MoveDevice moves a device to another namespace, which takes it down. It keeps
// its ifindex unless another device has that there.
func (k *Kernel) MoveDevice(ifindex uint32, to mprog.Netns) (uint32, error) {
	var moved uint32
	err := k.outside(func() (err error) {
		moved, err = k.moveDevice(ifindex, to)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("move device %d: %w", ifindex, err)
	}
	return moved, nil
}

func (k *Kernel) moveDevice(ifindex uint32, to mprog.Netns) (uint32, error) {
	target, err := k.namespace(to)
	if err != nil {
		return 0, err
	}
	link, err := k.netns0().byIndex(ifindex)
	if err != nil {
		return 0, err
	}
	if err := k.netns0().links.LinkSetNsFd(link, int(target.file.Fd())); err != nil {
		return 0, plainErrno(err)
	}
	moved, err := target.links.LinkByName(link.Attrs().Name)
	if err != nil {
		return 0, fmt.Errorf("look up: %w", err)
	}
	return uint32(moved.Attrs().Index), nil
}

// byIndex looks a device up. An ifindex that does not exist is ENODEV.
func (n *namespace) byIndex(ifindex uint32) (netlink.Link, error) {
	if ifindex == 0 { // rtnetlink would go by the name
		return nil, mprog.ENODEV
	}
	link, err := n.links.LinkByIndex(int(ifindex))
	if _, ok := errors.AsType[netlink.LinkNotFoundError](err); ok {
		return nil, mprog.ENODEV
	}
	return link, plainErrno(err)
}

// plainErrno returns the errno in err as package mprog's, or err itself.
func plainErrno(err error) error {
	if errno, ok := mprogErrno(err); ok {
		return errno
	}
	return err
}

// Enter moves the calling thread, to which its goroutine must be locked, into the
// first process's network namespace, for what is to run there besides bpf(2).
func (k *Kernel) Enter() error { return k.netns0().enter() }
