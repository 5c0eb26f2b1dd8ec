//go:build amd64 || arm64

package intercept

import (
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/nkconform/nkconform/intercept/machine"
)

// outside is a network namespace of the running kernel's, of which programs ask.
// It is opened for each question: an open one would not end with its processes.
type outside func() (netns int, err error)

var _ machine.Outside = outside(nil)

// Device asks the running kernel; what cannot be asked is no device.
func (o outside) Device(ifindex uint32) (d machine.Device, ok bool) {
	err := o.enter(func() (err error) {
		d, err = deviceHere(ifindex)
		return err
	})
	return d, err == nil
}

// enter runs a function in the namespace.
func (o outside) enter(f func() error) error {
	netns, err := o()
	if err != nil {
		return fmt.Errorf("network namespace: %w", err)
	}
	defer unix.Close(netns)
	return within(netns, f)
}

// deviceHere tells of a device in the current thread's network namespace.
func deviceHere(ifindex uint32) (d machine.Device, err error) {
	name, err := deviceName(ifindex)
	if err != nil {
		return d, err
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return d, fmt.Errorf("socket: %w", err)
	}
	defer unix.Close(fd)
	ask := func(number uint) (uint32, error) {
		request, err := unix.NewIfreq(name)
		if err != nil {
			return 0, fmt.Errorf("ifreq: %w", err)
		}
		err = ioctlIfreq(fd, uintptr(number), request)
		return request.Uint32(), err
	}
	if d.MTU, err = ask(unix.SIOCGIFMTU); err != nil {
		return d, err
	}
	flags, err := ask(unix.SIOCGIFFLAGS)
	if err != nil {
		return d, err
	}
	kind, err := ask(unix.SIOCGIFHWADDR)
	if t := uint16(kind); t == unix.ARPHRD_ETHER || t == unix.ARPHRD_LOOPBACK {
		d.Header = linkHeader
	}
	d.Name, d.Type = name, uint16(kind)
	d.Flags, d.Up = flags&0xffff, flags&unix.IFF_UP != 0
	return d, err
}

// Outside is the namespace that the caller is in.
func (c *caller) Outside() machine.Outside {
	return outside(func() (int, error) { return unix.Open(c.proc("/ns/net"), unix.O_RDONLY|unix.O_CLOEXEC, 0) })
}

// around is the network namespace that an end is in, where of netkit devices more is
// known. It is asked while the pump's lock is held.
type around struct {
	outside
	e *end
	p *pump
}

// Device adds what makes a device a netkit device.
func (a around) Device(ifindex uint32) (machine.Device, bool) {
	d, ok := a.outside.Device(ifindex)
	if e := a.p.find(a.e.netns, ifindex); e != nil {
		d.Headroom, d.Tailroom = e.room[0], e.room[1]
	}
	return d, ok
}
