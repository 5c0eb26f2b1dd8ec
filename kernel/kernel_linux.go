package kernel

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nkconform/nkconform/mprog"
)

// Kernel is the running kernel as seen by a process with all capabilities, in a
// network namespace of its own. [Kernel.NewProcess] adds processes.
type Kernel struct {
	*Process

	recorder *recorder          // nil until it is needed; guarded by Process.mu
	devices  []mprog.DeviceSpec // that were asked for; guarded by Process.mu
	mute     bool               // a mute program has been loaded; guarded by Process.mu
	shelf    shelf              // guarded by Process.mu
	label    string             // see Label; guarded by Process.mu

	idle     idle
	mu       sync.Mutex
	netns    []*namespace // by mprog.Netns; the first one never changes
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
	p, err := startProcess(setUp, k.moveIn)
	if err != nil {
		return nil, fmt.Errorf("new environment: %w", err)
	}
	k.Process = p
	return k, nil
}

// setUp runs on the first process's thread, before that gets file descriptors of
// its own.
func setUp() error {
	if err := checkBPF(); err != nil {
		return err
	}
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return unavailable("a network namespace", err)
	}
	return nil
}

// moveIn opens the first process's namespace on its thread.
func (k *Kernel) moveIn(p *Process) error {
	n, err := openNamespace()
	if err != nil {
		return err
	}
	p.fds.keep(n.fd)
	p.fds.keep(n.links.fd)
	k.netns = []*namespace{n}
	return nil
}

// netlinkTimeout bounds the wait for an answer of rtnetlink. Creating the first
// device of a kind may load a module.
const netlinkTimeout = 30 * time.Second

// home is the first process's namespace.
func (k *Kernel) home() *namespace { return k.netns[0] }

// Shutdown ends the processes, which closes every descriptor and leaves the
// namespaces. The kernel removes their devices, and what is attached to
// them, soon afterwards.
func (k *Kernel) Shutdown() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, p := range k.children {
		_ = p.Exit() // those that have exited say so
	}
	removeErr := k.removeCgroups()
	for _, p := range slices.Concat(k.children, k.idle.processes, []*Process{k.Process}) {
		if t, _ := p.exit(); t != nil {
			t.stop()
		}
	}
	k.idle.processes = nil
	r := k.recorder
	k.recorder = nil
	return errors.Join(removeErr, r.close())
}
