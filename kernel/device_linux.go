package kernel

import (
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/nkconform/nkconform/mprog"
)

// AddDevice creates a device in the environment's namespace. A kind that the
// kernel does not have wraps [mprog.ErrUnsupported]; other refusals of rtnetlink
// wrap their [mprog.Errno], such as EEXIST for a name in use.
func (k *Kernel) AddDevice(spec mprog.DeviceSpec) (ifindex, peer uint32, err error) {
	if spec.Kind == mprog.AnyDevice {
		return k.addAnyDevice(spec.Name)
	}
	if spec.Kind == mprog.Netkit && spec.Peer == "" {
		ifindex, err = k.addSingle(spec)
	} else {
		err = k.create(spec, func(links *rtnl) (err error) {
			ifindex, peer, err = links.add(spec)
			return err
		})
	}
	if err != nil {
		return 0, 0, fmt.Errorf("add device %s: %w", spec.Name, err)
	}
	return ifindex, peer, nil
}

// withLinks runs a function on the thread that has rtnetlink.
func (k *Kernel) withLinks(call func(*rtnl) error) (err error) {
	p := k.Process
	p.mu.Lock()
	defer p.mu.Unlock()
	if doErr := p.do(func() { err = call(k.home().links) }); doErr != nil {
		return doErr
	}
	return err
}

// create runs a function that creates devices, of which Renew is to know unless the
// kernel refuses.
func (k *Kernel) create(spec mprog.DeviceSpec, call func(*rtnl) error) error {
	return k.withLinks(func(links *rtnl) error {
		err := call(links)
		if _, answered := mprog.ErrnoOf(err); err == nil || !answered {
			k.devices = append(k.devices, spec)
		}
		return err
	})
}

// add creates a device, or a pair.
func (r *rtnl) add(spec mprog.DeviceSpec) (ifindex, peer uint32, err error) {
	var request *nl.NetlinkRequest
	paired := true
	switch spec.Kind {
	case mprog.Netkit:
		request = pairRequest(spec)
	case mprog.Veth:
		request = vethRequest(spec)
	case mprog.Dummy:
		request, paired = newLink(spec, func(*nl.RtAttr) {}), false
	default:
		return 0, 0, fmt.Errorf("kind %q: %w", spec.Kind, mprog.ErrUnsupported)
	}
	if err := r.execute(request, func([]byte) {}); err != nil {
		return 0, 0, linkError(spec.Kind, err)
	}
	if ifindex, err = r.index(spec.Name); err == nil && paired {
		peer, err = r.index(spec.Peer)
	}
	return ifindex, peer, err
}

// anyDevices stand for [mprog.AnyDevice], the plainest first.
var anyDevices = []mprog.DeviceSpec{
	{Kind: mprog.Dummy},
	{Kind: mprog.Veth, Peer: "-peer"},
	{Kind: mprog.Netkit},
	{Kind: mprog.Netkit, Peer: "-peer"},
}

// anyDevice is the index of the first of them that the kernel has: it looks for a
// module each time that it is asked for a kind that it does not know.
var anyDevice atomic.Int32

func (k *Kernel) addAnyDevice(name string) (ifindex, peer uint32, err error) {
	for i := int(anyDevice.Load()); i < len(anyDevices); i++ {
		spec := anyDevices[i]
		spec.Name = name
		if spec.Peer != "" {
			spec.Peer = name + spec.Peer
		}
		ifindex, _, err = k.AddDevice(spec)
		if err == nil {
			anyDevice.Store(int32(i))
		}
		if err == nil || !errors.Is(err, mprog.ErrUnsupported) {
			break
		}
	}
	return ifindex, 0, err
}

// newLink asks rtnetlink for a device. The function adds what is of its kind.
func newLink(spec mprog.DeviceSpec, addData func(info *nl.RtAttr)) *nl.NetlinkRequest {
	r := nl.NewNetlinkRequest(unix.RTM_NEWLINK, unix.NLM_F_CREATE|unix.NLM_F_EXCL|unix.NLM_F_ACK)
	r.AddData(nl.NewIfInfomsg(unix.AF_UNSPEC))
	r.AddData(nl.NewRtAttr(unix.IFLA_IFNAME, nl.ZeroTerminated(spec.Name)))
	info := nl.NewRtAttr(unix.IFLA_LINKINFO, nil)
	info.AddRtAttr(nl.IFLA_INFO_KIND, nl.NonZeroTerminated(string(spec.Kind)))
	addData(info)
	r.AddData(info)
	return r
}

func vethRequest(spec mprog.DeviceSpec) *nl.NetlinkRequest {
	return newLink(spec, func(info *nl.RtAttr) {
		addPeer(info.AddRtAttr(nl.IFLA_INFO_DATA, nil), nl.VETH_INFO_PEER, spec.Peer)
	})
}

// addPeer names the peer of a pair.
func addPeer(data *nl.RtAttr, attribute int, name string) {
	peer := data.AddRtAttr(attribute, nil)
	peer.AddChild(nl.NewIfInfomsg(unix.AF_UNSPEC))
	peer.AddRtAttr(unix.IFLA_IFNAME, nl.ZeroTerminated(name))
}

func linkError(kind mprog.DeviceKind, err error) error {
	errno, ok := mprog.ErrnoOf(err)
	switch {
	case !ok:
		return err
	case errno == mprog.EOPNOTSUPP:
		return fmt.Errorf("%w: the kernel has no %s devices: %w", mprog.ErrUnsupported, kind, errno)
	}
	return errno
}

// DeleteDevice deletes a device and its peer. An ifindex that does not exist is
// ENODEV.
func (k *Kernel) DeleteDevice(ifindex uint32) error {
	if ifindex == 0 { // rtnetlink would go by the name
		return fmt.Errorf("delete device 0: %w", mprog.ENODEV)
	}
	err := k.withLinks(func(links *rtnl) error {
		defer k.filters.letGo()()
		return links.remove(ifindex)
	})
	if err == nil {
		return nil
	}
	return fmt.Errorf("delete device %d: %w", ifindex, plainErrno(err))
}
