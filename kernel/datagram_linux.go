package kernel

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/nkconform/nkconform/mprog"
)

// passingMark is the mark of a datagram that all programs let pass.
const passingMark = 0x88b6

// SendDatagram sends a datagram from a socket of one process to one of another over lo,
// and after it one that all programs let pass: when that has arrived, the first one will
// not come any more.
func (k *Kernel) SendDatagram(from, to mprog.Process) (mprog.Delivery, error) {
	d, err := k.sendDatagram(from, to)
	if err != nil {
		return mprog.Delivery{}, fmt.Errorf("%s: %w", mprog.OpSendDatagram, err)
	}
	return d, nil
}

func (k *Kernel) sendDatagram(from, to mprog.Process) (d mprog.Delivery, err error) {
	sender, err := k.member(from)
	if err != nil {
		return d, err
	}
	receiver, err := k.member(to)
	if err != nil {
		return d, err
	}
	k.Process.mu.Lock()
	err = k.resetRecorder()
	doErr := k.do(func() { err = errors.Join(err, k.loopbackUp()) })
	k.Process.mu.Unlock()
	if err = errors.Join(doErr, err); err != nil {
		return d, err
	}
	var sockets [2]int // of the receiver, of the sender
	address := &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}
	err = receiver.onOwnThread(func() (err error) { sockets[0], err = openReceiver(address); return err })
	if err != nil {
		return d, err
	}
	defer receiver.onOwnThread(func() error { return unix.Close(sockets[0]) })
	err = sender.onOwnThread(func() (err error) {
		defer pinCPU()()
		d.Delivered, err = sendBoth(address)
		return err
	})
	if err == nil && d.Delivered {
		err = receiver.onOwnThread(func() (err error) { d.Delivered, err = firstIsThere(sockets[0]); return err })
	}
	if err != nil {
		return d, err
	}
	k.Process.mu.Lock()
	defer k.Process.mu.Unlock()
	d.Ran, err = k.ran()
	return d, err
}

// member returns the process behind an interface, the first one for nil.
func (k *Kernel) member(p mprog.Process) (*Process, error) {
	if p == nil {
		return k.Process, nil
	}
	own, ok := p.(*Process)
	switch {
	case !ok:
		return nil, fmt.Errorf("%w: a process of %T", mprog.ErrUnsupported, p)
	case own.abroad != nil:
		return nil, fmt.Errorf("%w: a process of another network namespace", mprog.ErrUnsupported)
	}
	return own, nil
}

func (p *Process) onOwnThread(call func() error) (err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if doErr := p.do(func() { err = call() }); doErr != nil {
		return doErr
	}
	return err
}

// loopbackUp brings lo up, on the first process's thread.
func (k *Kernel) loopbackUp() error {
	lo, err := k.home().links.device(loopback)
	if err != nil {
		return err
	}
	return k.home().links.up(lo)
}

// openReceiver opens a socket and fills in its port.
func openReceiver(address *unix.SockaddrInet4) (fd int, err error) {
	fd, err = unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("open a socket: %v", err)
	}
	if err = unix.Bind(fd, address); err == nil {
		var bound unix.Sockaddr
		if bound, err = unix.Getsockname(fd); err == nil {
			address.Port = bound.(*unix.SockaddrInet4).Port
			return fd, nil
		}
	}
	unix.Close(fd)
	return -1, fmt.Errorf("bind a socket: %v", err)
}

// sendBoth sends the datagram, and tells whether it was taken, and the one that passes.
func sendBoth(address unix.Sockaddr) (taken bool, err error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return false, fmt.Errorf("open a socket: %v", err)
	}
	defer unix.Close(fd)
	switch err := unix.Sendto(fd, []byte("recorded"), 0, address); err {
	case nil:
	case unix.EPERM: // a program's no
		return false, nil
	default:
		return false, fmt.Errorf("send a datagram: %v", err)
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_MARK, passingMark); err != nil {
		return false, fmt.Errorf("%w: mark a datagram: %v", mprog.ErrUnsupported, err)
	}
	if err := unix.Sendto(fd, []byte("passing"), 0, address); err != nil {
		return false, fmt.Errorf("send a datagram: %v", err)
	}
	return true, nil
}

// firstIsThere waits for a datagram, and tells whether it is the first one.
func firstIsThere(fd int) (bool, error) {
	if err := await(fd); err != nil {
		return false, err
	}
	var b [64]byte
	n, err := receive(fd, b[:], 0)
	if err != nil {
		return false, fmt.Errorf("receive a datagram: %v", err)
	}
	return string(b[:n]) == "recorded", nil
}
