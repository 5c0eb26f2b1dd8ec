package fake

import "github.com/nkconform/nkconform/mprog"

// netkitDevice finds the device of a netkit hook (netkit_dev_fetch). Both hooks
// are named by the primary's ifindex; PEER's is on the peer.
func (p *Process) netkitDevice(ifindex uint32, at mprog.AttachType) (*device, error) {
	d := p.net.devices[ifindex]
	switch {
	case d == nil:
		return nil, refuse(deviceNone, "no device has ifindex %d", ifindex)
	case d.kind != mprog.Netkit:
		return nil, refuse(deviceNotNetkit, "device %s (ifindex %d) is %s, not netkit", d.name, ifindex, d.kind)
	case !d.primary:
		return nil, refuse(devicePeerIfindex,
			"device %s (ifindex %d) is the peer of %s: both hooks are addressed through the primary's ifindex %d",
			d.name, ifindex, d.peer.name, d.peer.ifindex)
	case d.single:
		return nil, refuse(deviceSingle, "device %s (ifindex %d) has no peer and never will", d.name, ifindex)
	}
	p.passed(deviceSingle, uint64(ifindex), uint64(d.peer.ifindex))
	if at == mprog.NetkitPeer {
		return d.peer, nil
	}
	return d, nil
}

// netkitEntry returns the device's entry (netkit_entry_fetch). Its storage is
// part of the device and keeps its revision when the last program goes; yet
// without a program there is no active entry, so that a query has nothing to
// read a revision from and says 1.
func (d *device) netkitEntry(create bool) *hook {
	if !create && d.netkit.count == 0 {
		return nil
	}
	return &d.netkit
}
