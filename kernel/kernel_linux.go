package kernel

import (
	"fmt"
	"sync"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Kernel is the running kernel as seen by a process with all capabilities, in a
// network namespace of its own. [Kernel.Fork] adds processes.
type Kernel struct {
	*Process
	links *netlink.Handle // rtnetlink of the namespace, for any thread

	forks    sync.Mutex
	children []*Process
}

// New starts an environment. It must be shut down.
//
// An error that wraps [ErrUnavailable] says in one sentence what the machine or
// the caller lacks: a capability, network namespaces, or bpf(2).
func New() (*Kernel, error) {
	if err := checkCapabilities(); err != nil {
		return nil, err
	}
	k := &Kernel{}
	p, err := startProcess(k.setUp)
	if err != nil {
		k.closeLinks()
		return nil, fmt.Errorf("new environment: %w", err)
	}
	k.Process = p
	return k, nil
}

// setUp runs on the first process's thread. The netlink socket is made before
// the thread gets file descriptors of its own, so that it belongs to the whole
// program: Go's poller and its finalizers know nothing of another table.
func (k *Kernel) setUp() error {
	if err := checkBPF(); err != nil {
		return err
	}
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return unavailable("a network namespace", err)
	}
	links, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return fmt.Errorf("open rtnetlink: %w", err)
	}
	k.links = links
	if err := links.SetSocketTimeout(netlinkTimeout); err != nil {
		return fmt.Errorf("open rtnetlink: %w", err)
	}
	return nil
}

// netlinkTimeout bounds the wait for an answer of rtnetlink. Creating the first
// device of a kind may load a module.
const netlinkTimeout = 30 * time.Second

func (k *Kernel) closeLinks() {
	if k.links != nil {
		k.links.Close()
		k.links = nil
	}
}

// Shutdown ends the processes, which closes every descriptor and leaves the
// namespaces. The kernel removes their devices, and what is attached to
// them, soon afterwards.
func (k *Kernel) Shutdown() error {
	k.forks.Lock()
	defer k.forks.Unlock()
	for _, p := range k.children {
		p.Exit()
	}
	k.Exit()
	k.closeLinks()
	return nil
}
