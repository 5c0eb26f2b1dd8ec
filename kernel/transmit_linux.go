package kernel

import (
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
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
	d, err := k.transmit(ifindex)
	if err != nil {
		return mprog.Delivery{}, fmt.Errorf("transmit on device %d: %w", ifindex, err)
	}
	return d, nil
}

func (k *Kernel) transmit(ifindex uint32) (d mprog.Delivery, err error) {
	k.Process.mu.Lock()
	defer k.Process.mu.Unlock()
	if err := k.resetRecorder(); err != nil {
		return d, err
	}
	doErr := k.do(func() {
		var w *way
		if w, err = k.way(ifindex); err == nil {
			err = w.up()
		}
		if err == nil {
			d.Delivered, err = k.send(w)
		}
	})
	if err = errors.Join(doErr, err); err != nil {
		return d, err
	}
	d.Ran, err = k.ran()
	return d, err
}

func (k *Kernel) resetRecorder() error {
	if k.mute {
		return errors.New("a mute program has been loaded, which cannot tell whether it ran")
	}
	if k.recorder != nil {
		k.recorder.reset()
	}
	return nil
}

func (k *Kernel) ran() ([]uint32, error) {
	if k.recorder == nil {
		return nil, nil
	}
	return k.recorder.ran()
}

func (k *Kernel) way(ifindex uint32) (*way, error) {
	from := k.home()
	device, err := from.links.device(ifindex)
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
	w.receiver, err = w.to.links.device(uint32(attrs.ParentIndex))
	return w, err
}

// peerNamespace returns the namespace that the first process's knows by an id;
// -1 is itself.
func (k *Kernel) peerNamespace(nsID int) (*namespace, error) {
	if nsID < 0 {
		return k.home(), nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, n := range k.netns {
		if n.closed {
			continue
		}
		id, err := k.home().links.namespaceID(n.fd)
		if err != nil {
			return nil, fmt.Errorf("look up the peer's namespace: %w", err)
		}
		if int(id) == nsID {
			return n, nil
		}
	}
	return nil, fmt.Errorf("%w: no fd refers to the peer's namespace", mprog.ErrUnsupported)
}

// up takes both ends up, unless they are.
func (w *way) up() error {
	if w.device == w.receiver {
		return w.from.links.up(w.device)
	}
	const running = unix.IFF_UP | unix.IFF_LOWER_UP
	device, receiver := w.device.Attrs(), w.receiver.Attrs()
	if device.RawFlags&receiver.RawFlags&running == running && device.OperState == netlink.OperUp {
		return nil
	}
	for _, end := range []struct {
		links  *rtnl
		device netlink.Link
	}{{w.from.links, w.device}, {w.to.links, w.receiver}} {
		end.links.silence(end.device)
		if err := end.links.up(end.device); err != nil {
			return err
		}
	}
	return w.awaitUp()
}

// silence keeps a device from having a link-local address of IPv6 when it comes up,
// which would make it talk by itself.
func (r *rtnl) silence(link netlink.Link) {
	const none = 1 // IN6_ADDR_GEN_MODE_NONE
	families := nl.NewRtAttr(unix.IFLA_AF_SPEC, nil)
	families.AddRtAttr(unix.AF_INET6, nil).AddRtAttr(unix.IFLA_INET6_ADDR_GEN_MODE, nl.Uint8Attr(none))
	_ = r.change(link, 0, families) // there may be no IPv6
}

// up takes a device up, unless it is.
func (r *rtnl) up(link netlink.Link) error {
	if link.Attrs().RawFlags&unix.IFF_UP != 0 {
		return nil
	}
	if err := r.change(link, unix.IFF_UP); err != nil {
		return fmt.Errorf("bring %s up: %w", link.Attrs().Name, plainErrno(err))
	}
	return nil
}

// awaitUp waits until the kernel has seen that the device has a carrier, which it
// does in the background. A packet sent before is lost.
func (w *way) awaitUp() error {
	index := uint32(w.device.Attrs().Index)
	for start := time.Now(); time.Since(start) < arrival; {
		link, err := w.from.links.device(index)
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

// send sends a packet, on the first process's thread, and after it one that all
// programs let pass. Once that has arrived, or the device's policy has dropped it,
// the first one will not come any more: packets keep their order on one CPU.
func (k *Kernel) send(w *way) (delivered bool, err error) {
	defer pinCPU()()
	sender, err := openPacket(0, 0)
	if err != nil {
		return false, err
	}
	defer closeFD(uint32(sender))
	var recorded, passing int
	err = k.visit(w.to, func() (err error) {
		index := w.receiver.Attrs().Index
		if recorded, err = openPacket(recordedPacket, index); err != nil {
			return err
		}
		if passing, err = openPacket(passingPacket, index); err != nil {
			unix.Close(recorded)
		}
		return err
	})
	if err != nil {
		return false, err
	}
	defer closeFD(uint32(recorded))
	defer closeFD(uint32(passing))

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
		if _, err := receive(fd, b[:], unix.MSG_DONTWAIT); err != unix.EINTR {
			return err == nil
		}
	}
}
