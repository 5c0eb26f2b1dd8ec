package fake

import "github.com/nkconform/nkconform/mprog"

// NewNetns creates a network namespace, whose only device is lo. It does not
// fail.
func (k *Kernel) NewNetns() (mprog.Netns, error) {
	return do(k.Process, mprog.OpNewNetns, none{}, (*Process).newNetns)
}

func (p *Process) newNetns(none) (mprog.Netns, error) {
	k := p.kernel
	k.namespaces = append(k.namespaces, newNetns())
	return mprog.Netns(len(k.namespaces) - 1), nil
}

// namespace finds a network namespace, EINVAL when there is none.
func (k *Kernel) namespace(n mprog.Netns) (*netns, error) {
	if int64(n) >= int64(len(k.namespaces)) {
		return nil, refuse(netnsNone, "there is no network namespace %d", n)
	}
	return k.namespaces[n], nil
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
	return d.ifindex, nil
}
