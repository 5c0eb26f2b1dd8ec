package fake

import "github.com/nkconform/nkconform/mprog"

// netns is a network namespace.
type netns struct {
	devices     map[uint32]*device // by ifindex
	lastIfindex uint32
	closed      bool // only the processes that live there refer to it
	number      uint32
}

// loopback is the kind of lo, which no environment creates.
const loopback mprog.DeviceKind = "loopback"

func newNetns(number uint32) *netns {
	n := &netns{number: number, devices: make(map[uint32]*device)}
	n.register("lo", loopback)
	return n
}

// device is the kernel's struct net_device, with the hooks on it.
type device struct {
	net     *netns
	ifindex uint32
	name    string
	kind    mprog.DeviceKind
	peer    *device // the other end of a pair
	primary bool    // of a netkit pair: the end that both hooks are addressed by
	single  bool    // a netkit device that never has a peer
	policy  mprog.NetkitPolicy

	netkit hook    // PRIMARY's or PEER's, whichever end this is
	tcx    [2]hook // INGRESS, EGRESS
	qdisc  *qdisc  // clsact or ingress; nil: none
	xdp    xdp

	ingressQueue bool // there has been a request for a qdisc

	number uint64 // that the kernel's code has for it, see Code
}

// register adds a device under the next ifindex (register_netdevice).
func (n *netns) register(name string, kind mprog.DeviceKind) *device {
	d := &device{net: n, ifindex: n.newIfindex(), name: name, kind: kind, netkit: hook{revision: 1}}
	n.devices[d.ifindex] = d
	return d
}

// newIfindex returns the next number that is free (dev_index_reserve): one may be
// taken by a device that came from another namespace.
func (n *netns) newIfindex() uint32 {
	for n.lastIfindex++; n.devices[n.lastIfindex] != nil; n.lastIfindex++ {
	}
	return n.lastIfindex
}

// unregister takes a device away, and its hooks with it (netkit_uninit,
// dev_tcx_uninstall, dev_xdp_uninstall).
func (d *device) unregister() {
	delete(d.net.devices, d.ifindex)
	d.netkit.abandon()
	d.tcx[0].abandon()
	d.tcx[1].abandon()
	d.setQdisc(nil) // dev_shutdown
	d.dropXDP()     // dev_xdp_uninstall
}

// remove takes a device and its peer away.
func (d *device) remove() {
	d.unregister()
	if d.peer != nil {
		d.peer.unregister()
	}
}

// byName returns the device with a name, or nil.
func (n *netns) byName(name string) *device {
	for _, d := range n.devices {
		if d.name == name {
			return d
		}
	}
	return nil
}

// hookDevice finds the device that has the hook named by an ifindex and an
// attach type, as the caller sees it.
func (p *Process) hookDevice(ifindex uint32, at mprog.AttachType) (*device, error) {
	if at.Netkit() {
		return p.netkitDevice(ifindex, at)
	}
	return p.tcxDevice(ifindex)
}

// entry returns the programs of one of the device's hooks, or nil when none is
// attached and none is to be.
func (d *device) entry(at mprog.AttachType, create bool) *hook {
	if at.Netkit() {
		return d.netkitEntry(create)
	}
	return d.tcxEntry(at, create)
}
