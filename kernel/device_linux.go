package kernel

import (
	"errors"
	"fmt"

	"github.com/vishvananda/netlink"

	"github.com/nkconform/nkconform/mprog"
)

// AddDevice creates a device in the environment's namespace. A kind that the
// kernel does not have wraps [mprog.ErrUnsupported]; other refusals of rtnetlink
// wrap their [mprog.Errno], such as EEXIST for a name in use.
func (k *Kernel) AddDevice(spec mprog.DeviceSpec) (ifindex, peer uint32, err error) {
	if spec.Kind == mprog.AnyDevice {
		return k.addAnyDevice(spec.Name)
	}
	err = k.outside(func() (err error) {
		if spec.Kind == mprog.Netkit && spec.Peer == "" {
			ifindex, err = k.addSingle(spec)
		} else {
			ifindex, peer, err = k.addLink(spec)
		}
		return err
	})
	if err != nil {
		return 0, 0, fmt.Errorf("add device %s: %w", spec.Name, err)
	}
	return ifindex, peer, nil
}

func (k *Kernel) addLink(spec mprog.DeviceSpec) (ifindex, peer uint32, err error) {
	link, err := newLink(spec)
	if err != nil {
		return 0, 0, err
	}
	links := k.netns0().links
	if err := links.LinkAdd(link); err != nil {
		return 0, 0, linkError(spec.Kind, err)
	}
	added, err := links.LinkByName(spec.Name)
	if err != nil {
		return 0, 0, fmt.Errorf("look up: %w", err)
	}
	attrs := added.Attrs()
	// A pair's devices name each other as parent.
	return uint32(attrs.Index), uint32(attrs.ParentIndex), nil
}

// anyKinds are the kinds that stand for [mprog.AnyDevice], the plainest first.
var anyKinds = []mprog.DeviceKind{mprog.Dummy, mprog.Veth, mprog.Netkit}

func (k *Kernel) addAnyDevice(name string) (ifindex, peer uint32, err error) {
	for _, kind := range anyKinds {
		ifindex, _, err = k.AddDevice(mprog.DeviceSpec{Kind: kind, Name: name, Peer: name + "-peer"})
		if err == nil || !errors.Is(err, mprog.ErrUnsupported) {
			break
		}
	}
	return ifindex, 0, err
}

// newLink describes a device to rtnetlink.
func newLink(spec mprog.DeviceSpec) (netlink.Link, error) {
	attrs := netlink.NewLinkAttrs()
	attrs.Name = spec.Name
	switch spec.Kind {
	case mprog.Netkit:
		return newNetkit(attrs, spec), nil
	case mprog.Veth:
		return &netlink.Veth{LinkAttrs: attrs, PeerName: spec.Peer}, nil
	case mprog.Dummy:
		return &netlink.Dummy{LinkAttrs: attrs}, nil
	}
	return nil, fmt.Errorf("kind %q: %w", spec.Kind, mprog.ErrUnsupported)
}

func linkError(kind mprog.DeviceKind, err error) error {
	errno, ok := mprogErrno(err)
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
	device := &netlink.Device{LinkAttrs: netlink.LinkAttrs{Index: int(ifindex)}}
	err := k.outside(func() error { return k.netns0().links.LinkDel(device) })
	if err == nil {
		return nil
	}
	return fmt.Errorf("delete device %d: %w", ifindex, plainErrno(err))
}
