package kernel

import (
	"errors"
	"fmt"
	"sync"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/nkconform/nkconform/mprog"
)

// Links makes, moves and deletes devices in the network namespace of the thread
// that opened it. It is safe for concurrent use.
type Links struct {
	mu sync.Mutex
	r  *rtnl
}

// OpenLinks opens rtnetlink in the network namespace of the calling thread.
func OpenLinks() (*Links, error) {
	r, err := openRTNL()
	if err != nil {
		return nil, err
	}
	r.shared = true
	return &Links{r: r}, nil
}

// Close closes the socket.
func (l *Links) Close() error {
	if err := unix.Close(l.r.fd); err != nil {
		return fmt.Errorf("close rtnetlink: %w", err)
	}
	return nil
}

// Add creates a device or a pair; see [Kernel.AddDevice].
func (l *Links) Add(spec mprog.DeviceSpec) (ifindex, peer uint32, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case spec.Kind == mprog.AnyDevice:
		spec.Kind = mprog.Dummy
		return l.r.add(spec)
	case spec.Kind == mprog.Netkit && spec.Peer == "":
		if err := l.r.execute(singleRequest(spec), func([]byte) {}); err != nil {
			return 0, 0, linkError(mprog.Netkit, err)
		}
		ifindex, parent, err := l.r.made(spec.Name)
		if err == nil && parent != 0 && uint32(parent) != ifindex {
			return 0, 0, errors.Join(errNoSingle, l.r.remove(ifindex))
		}
		return ifindex, 0, err
	}
	return l.r.add(spec)
}

// Delete deletes a device, and its peer if it has one; ENODEV when there is none.
func (l *Links) Delete(ifindex uint32) error {
	if ifindex == 0 { // rtnetlink would go by the name
		return mprog.ENODEV
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.r.remove(ifindex); err != nil {
		return plainErrno(err)
	}
	return nil
}

// Move moves a device to the network namespace that an fd refers to and returns
// its name, ENODEV when there is no such device.
func (l *Links) Move(ifindex uint32, namespace int) (name string, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	link, err := l.r.device(ifindex)
	if err != nil {
		return "", err
	}
	if err := l.r.move(link, namespace); err != nil {
		return "", plainErrno(err)
	}
	return link.Attrs().Name, nil
}

// Index returns a device's ifindex.
func (l *Links) Index(name string) (uint32, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.r.index(name)
}

// List returns the ifindexes of all devices.
func (l *Links) List() (ifindexes []uint32, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	request := nl.NewNetlinkRequest(unix.RTM_GETLINK, unix.NLM_F_DUMP)
	request.AddData(nl.NewIfInfomsg(unix.AF_UNSPEC))
	var read error
	err = l.r.execute(request, func(payload []byte) {
		link, err := netlink.LinkDeserialize(nil, payload)
		if err != nil {
			read = err
			return
		}
		ifindexes = append(ifindexes, uint32(link.Attrs().Index))
	})
	return ifindexes, errors.Join(err, read)
}
