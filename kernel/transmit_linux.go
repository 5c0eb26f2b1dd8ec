package kernel

import (
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/nkconform/nkconform/mprog"
)

// way is where a packet enters and leaves.
type way struct {
	from, to         *namespace
	device, receiver netlink.Link
}

// Transmit brings a netkit pair, or the loopback device, up, and has the device
// transmit a packet that no other part of the system sends. It is delivered when
// a socket at the peer, or on the loopback device, receives it.
func (k *Kernel) Transmit(ifindex uint32) (mprog.Delivery, error) {
	k.sending.Lock()
	defer k.sending.Unlock()
	d, err := k.transmit(ifindex)
	if err != nil {
		return mprog.Delivery{}, fmt.Errorf("transmit on device %d: %w", ifindex, err)
	}
	return d, nil
}

func (k *Kernel) transmit(ifindex uint32) (d mprog.Delivery, err error) {
	if err := k.resetRecorder(); err != nil {
		return d, err
	}
	err = k.outside(func() error {
		w, err := k.way(ifindex)
		if err != nil {
			return err
		}
		if err := w.up(); err != nil {
			return err
		}
		return k.within(w.from, func() (err error) {
			d.Delivered, err = w.send()
			return err
		})
	})
	if err != nil {
		return d, err
	}
	d.Ran, err = k.ran()
	return d, err
}

func (k *Kernel) resetRecorder() error {
	k.Process.mu.Lock()
	defer k.Process.mu.Unlock()
	if k.mute {
		return errors.New("a mute program has been loaded, which cannot tell whether it ran")
	}
	if k.recorder != nil {
		k.recorder.reset()
	}
	return nil
}

func (k *Kernel) ran() ([]uint32, error) {
	k.Process.mu.Lock()
	defer k.Process.mu.Unlock()
	if k.recorder == nil {
		return nil, nil
	}
	return k.recorder.ran()
}

func (k *Kernel) way(ifindex uint32) (*way, error) {
	from := k.netns0()
	device, err := from.byIndex(ifindex)
	if err != nil {
		return nil, err
	}
	attrs := device.Attrs()
	w := &way{from: from, to: from, device: device, receiver: device}
	switch {
	case attrs.Flags&net.FlagLoopback != 0:
		return w, nil
	case device.Type() != string(mprog.Netkit), attrs.ParentIndex == 0, attrs.ParentIndex == attrs.Index:
		return nil, fmt.Errorf("%w: neither one of a netkit pair nor a loopback device", mprog.ErrUnsupported)
	}
	if w.to, err = k.peerNamespace(attrs.NetNsID); err != nil {
		return nil, err
	}
	w.receiver, err = w.to.byIndex(uint32(attrs.ParentIndex))
	return w, err
}

// peerNamespace returns the namespace that the first process's knows by an id;
// -1 is itself.
func (k *Kernel) peerNamespace(nsID int) (*namespace, error) {
	if nsID < 0 {
		return k.netns0(), nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, n := range k.netns {
		id, err := k.netns0().links.GetNetNsIdByFd(int(n.file.Fd()))
		if err != nil {
			return nil, fmt.Errorf("look up the peer's namespace: %w", err)
		}
		if id == nsID {
			return n, nil
		}
	}
	return nil, errors.New("the peer is in a foreign namespace")
}

// up takes both ends up, without a link-local address of IPv6, as that would
// make them talk by themselves.
func (w *way) up() error {
	const none = 1 // IN6_ADDR_GEN_MODE_NONE
	for _, end := range []struct {
		n    *namespace
		link netlink.Link
	}{{w.from, w.device}, {w.to, w.receiver}} {
		if w.device != w.receiver {
			_ = end.n.links.LinkSetIP6AddrGenMode(end.link, none) // there may be no IPv6
		}
		if err := end.n.links.LinkSetUp(end.link); err != nil {
			return fmt.Errorf("bring %s up: %w", end.link.Attrs().Name, plainErrno(err))
		}
	}
	if w.device == w.receiver {
		return nil
	}
	return w.awaitUp()
}

// awaitUp waits until the kernel has seen that the device has a carrier, which it
// does in the background. A packet sent before is lost.
func (w *way) awaitUp() error {
	index := uint32(w.device.Attrs().Index)
	for start := time.Now(); time.Since(start) < arrival; {
		link, err := w.from.byIndex(index)
		if err != nil {
			return err
		}
		if link.Attrs().OperState == netlink.OperUp {
			return nil
		}
		pause()
	}
	return fmt.Errorf("%s does not come up", w.device.Attrs().Name)
}

// arrival is how long a packet may take to arrive, or a device to come up.
const arrival = 10 * time.Second

// send sends a packet, on a thread in the sender's namespace, and after it one
// that all programs let pass. Once that has arrived, or the device's policy has
// dropped it, the first one will not come any more: packets keep their order on
// one CPU.
func (w *way) send() (delivered bool, err error) {
	defer pinCPU()()
	sender, err := openPacket(0, 0)
	if err != nil {
		return false, err
	}
	defer unix.Close(sender)
	if err := w.to.enter(); err != nil {
		return false, err
	}
	index := w.receiver.Attrs().Index
	recorded, err := openPacket(recordedPacket, index)
	if err != nil {
		return false, err
	}
	defer unix.Close(recorded)
	passing, err := openPacket(passingPacket, index)
	if err != nil {
		return false, err
	}
	defer unix.Close(passing)

	if _, err := w.sendPacket(sender, recordedPacket); err != nil {
		return false, err
	}
	passed, err := w.sendPacket(sender, passingPacket)
	if err != nil {
		return false, err
	}
	if passed {
		if err := await(passing); err != nil {
			return false, err
		}
	}
	return received(recorded), nil
}

// openPacket opens a socket for packets of one ethertype from one device, or for
// none at all.
func openPacket(protocol uint16, ifindex int) (fd int, err error) {
	fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err == unix.EAFNOSUPPORT {
		return -1, fmt.Errorf("%w: the kernel has no packet sockets", mprog.ErrUnsupported)
	}
	if err != nil {
		return -1, fmt.Errorf("open a packet socket: %w", err)
	}
	if protocol == 0 {
		return fd, nil
	}
	address := &unix.SockaddrLinklayer{Protocol: uint16(bigEndian(protocol)), Ifindex: ifindex}
	if err := unix.Bind(fd, address); err != nil {
		unix.Close(fd)
		return -1, fmt.Errorf("bind a packet socket: %w", err)
	}
	return fd, nil
}

// sendPacket tells whether the device took the packet: a drop by a program on
// its way out, or by its policy, is known at once.
func (w *way) sendPacket(fd int, protocol uint16) (taken bool, err error) {
	var payload [64]byte
	err = unix.Sendto(fd, payload[:], 0, &unix.SockaddrLinklayer{
		Protocol: uint16(bigEndian(protocol)), Ifindex: w.device.Attrs().Index, Halen: 6,
	})
	switch err {
	case nil:
		return true, nil
	case unix.ENOBUFS:
		return false, nil
	}
	return false, fmt.Errorf("send a packet: %w", err)
}

// await waits for a packet.
func await(fd int) error {
	fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	for {
		n, err := unix.Poll(fds, int(arrival/time.Millisecond))
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return fmt.Errorf("wait for a packet: %w", err)
		case n == 0:
			return fmt.Errorf("a packet neither arrived nor was dropped within %v", arrival)
		}
		return nil
	}
}

func received(fd int) bool {
	var b [64]byte
	for {
		_, _, err := unix.Recvfrom(fd, b[:], unix.MSG_DONTWAIT)
		if err != unix.EINTR {
			return err == nil
		}
	}
}
