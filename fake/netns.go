package fake

import (
	"fmt"
	"slices"

	"github.com/nkconform/nkconform/mprog"
)

// NewNetns creates a network namespace, whose only device is lo. It does not
// fail.
func (k *Kernel) NewNetns() (mprog.Netns, error) {
	return do(k.Process, mprog.OpNewNetns, none{}, (*Process).newNetns)
}

func (p *Process) newNetns(none) (mprog.Netns, error) {
	k := p.kernel
	n := newNetns(uint32(len(k.namespaces)))
	k.namespaces = append(k.namespaces, n)
	return mprog.Netns(n.number), k.stageDevices(n.devices[1], nil)
}

// namespace finds a network namespace: EINVAL when there is none, EBADF when it has
// been ended.
func (k *Kernel) namespace(n mprog.Netns) (*netns, error) {
	if int64(n) >= int64(len(k.namespaces)) {
		return nil, refuse(netnsNone, "there is no network namespace %d", n)
	}
	if k.namespaces[n].closed {
		return nil, refuse(netnsClosed, "network namespace %d has been ended", n)
	}
	return k.namespaces[n], nil
}

// EndNetns gives up a network namespace, which ends with the last process that lives
// there, or now: its devices are deleted, and their peers with them. It fails with
//   - EINVAL when there is no such namespace, EBADF when it has been ended;
//   - [mprog.ErrUnsupported] for the first process's.
func (k *Kernel) EndNetns(n mprog.Netns) error {
	return do0(k.Process, mprog.OpEndNetns, n, (*Process).endNetns)
}

func (p *Process) endNetns(n mprog.Netns) error {
	if n == 0 {
		return fmt.Errorf("%s: %w: that of the first process ends with it", mprog.OpEndNetns, mprog.ErrUnsupported)
	}
	net, err := p.kernel.namespace(n)
	if err != nil {
		return err
	}
	net.closed = true
	p.kernel.cleanUp(net)
	return nil
}

// cleanUp ends a network namespace to which there is no reference (cleanup_net).
func (k *Kernel) cleanUp(n *netns) {
	if !n.closed || slices.ContainsFunc(k.children, func(p *Process) bool { return p.net == n && !p.exited }) {
		return
	}
	for _, d := range n.devices {
		k.unstage(d)
		d.remove()
	}
}

// MoveDevice moves a device from the first process's namespace to another, with
// all that is attached to it, but without its qdisc, and returns its ifindex there,
// which stays the same when it is free there. It fails with
//   - ENODEV when there is no such device, EINVAL when there is no such namespace;
//   - EINVAL for lo;
//   - EEXIST when the namespace has a device of that name.
func (k *Kernel) MoveDevice(ifindex uint32, to mprog.Netns) (uint32, error) {
	return do(k.Process, mprog.OpMoveDevice, MoveRequest{ifindex, to}, (*Process).moveDevice)
}

// MoveRequest is what [Kernel.MoveDevice] is asked for.
type MoveRequest struct {
	Ifindex uint32
	To      mprog.Netns
}

// moveDevice is dev_change_net_namespace.
func (p *Process) moveDevice(r MoveRequest) (uint32, error) {
	if p.kernel.kept {
		return 0, errKept(mprog.OpMoveDevice)
	}
	ifindex := r.Ifindex
	d := p.net.devices[ifindex]
	if d == nil {
		return 0, refuse(deviceAbsent, "no device has ifindex %d", ifindex)
	}
	n, err := p.kernel.namespace(r.To)
	switch {
	case err != nil:
		return 0, err
	case d.kind == loopback:
		return 0, refuse(moveLoopback, "ifindex %d is %s", ifindex, d.name)
	case n == d.net:
		return ifindex, nil
	case n.byName(d.name) != nil:
		return 0, refuse(deviceTaken, "name %q", d.name)
	}
	d.setQdisc(nil) // dev_shutdown
	delete(d.net.devices, ifindex)
	if d.net = n; n.devices[ifindex] != nil {
		d.ifindex = n.newIfindex()
	}
	n.devices[d.ifindex] = d
	if p.kernel.code != nil {
		p.kernel.code.MoveDevice(d.number, n.number, d.ifindex)
	}
	return d.ifindex, nil
}
