package kernel

import (
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nkconform/nkconform/mprog"
)

// EndNetns closes the environment's descriptors of a network namespace. When no
// process lives there, it returns when the kernel has taken the namespace's devices
// away; else the Exit of the last process does. EINVAL: there is no such namespace;
// EBADF: it has been ended; [mprog.ErrUnsupported]: it is the first process's.
func (k *Kernel) EndNetns(number mprog.Netns) error {
	if number == 0 {
		return fmt.Errorf("end network namespace 0: %w: that of the first process ends with it", mprog.ErrUnsupported)
	}
	n, err := k.namespace(number)
	if err == nil {
		err = k.onThread(func() error { return k.giveUp(n) })
	}
	if err != nil {
		return fmt.Errorf("end network namespace %d: %w", number, plainErrno(err))
	}
	return nil
}

// giveUp closes a namespace's descriptors. It runs on the first process's thread.
func (k *Kernel) giveUp(n *namespace) error {
	if n.closed {
		return closeFD(uint32(n.fd)) // EBADF
	}
	err := k.visit(n, func() (err error) {
		n.life, err = openLife()
		return err
	})
	if err != nil {
		return err
	}
	if n.life, err = k.fds.hide(n.life); err != nil {
		return err
	}
	n.closed = true
	if err := errors.Join(k.fds.closeHidden(n.fd), k.fds.closeHidden(n.links.fd)); err != nil {
		return err
	}
	n.fd, n.links.fd = -1, -1
	return k.awaitEnd(n)
}

// lifeFile is a file of the current network namespace that does not keep it alive.
// The kernel takes it away behind the namespace's devices (cleanup_net ends devices
// first), and whoever has it open then reads ENOENT.
const lifeFile = "/proc/sys/net/core/somaxconn"

func openLife() (int, error) {
	fd, err := unix.Open(lifeFile, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err == unix.ENOENT {
		return -1, fmt.Errorf("%w: without %s a namespace's end is not seen", mprog.ErrUnsupported, lifeFile)
	}
	return fd, os.NewSyscallError("open "+lifeFile, err)
}

// awaitEnd returns when a namespace to which nothing refers has ended, and at once
// when something does. It runs on the first process's thread.
func (p *Process) awaitEnd(n *namespace) error {
	if !n.closed || n.residents > 0 {
		return nil
	}
	if err := awaitDeath(n.life); err != nil {
		return err
	}
	p.filters.ended()
	return p.fds.closeHidden(n.life)
}

// awaitDeath returns when the namespace has ended that a file of openLife is of.
func awaitDeath(life int) error {
	var value [16]byte
	for start := time.Now(); time.Since(start) < settlePatience; pause() {
		switch _, err := unix.Pread(life, value[:], 0); err {
		case nil, unix.EINTR:
		case unix.ENOENT:
			return nil
		default:
			return fmt.Errorf("read %s: %v", lifeFile, err)
		}
	}
	return fmt.Errorf("a network namespace has not ended within %s", settlePatience)
}

// Life sees the end of a network namespace without keeping it alive.
type Life struct{ fd int }

// OpenLife opens it for the network namespace that the calling thread is in. Where the
// kernel shows no sysctls, the error wraps [mprog.ErrUnsupported].
func OpenLife() (*Life, error) {
	fd, err := openLife()
	if err != nil {
		return nil, err
	}
	return &Life{fd}, nil
}

// End returns when the namespace has ended and its devices are gone, or with an error
// when that has not come within half a minute. The Life is of no use any more.
func (l *Life) End() error {
	return errors.Join(awaitDeath(l.fd), unix.Close(l.fd))
}

// leave ends the thread of a process that has exited. When its network namespace ends
// with it, that has ended.
func (p *Process) leave(t *thread) (err error) {
	p.first.mu.Lock()
	defer p.first.mu.Unlock()
	p.abroad.residents--
	if !p.abroad.closed || p.abroad.residents > 0 {
		t.end()
		return nil
	}
	t.stop()
	if doErr := p.first.do(func() { err = p.first.awaitEnd(p.abroad) }); doErr != nil {
		return doErr
	}
	return err
}
