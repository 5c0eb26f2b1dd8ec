//go:build amd64 || arm64

package intercept

import (
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/nkconform/nkconform/intercept/notify"
	"github.com/nkconform/nkconform/intercept/rtnl"
	"github.com/nkconform/nkconform/mprog"
)

// traffic answers for qdiscs and filters, as the process may use them whose request is
// in hand.
func (n *netlinkSocket) traffic() rtnl.Traffic {
	return hookingTraffic{n.s.at(n.Netns).Traffic(netlinkCaller{n.s.caller(&notify.Call{TID: n.thread()}), n}), n}
}

// hookingTraffic has what devices of the running kernel's send and receive go through
// the filters that they get.
type hookingTraffic struct {
	rtnl.Traffic
	socket *netlinkSocket
}

// AddFilter adds a filter.
func (t hookingTraffic) AddFilter(r mprog.FilterRequest) (mprog.Filter, error) {
	f, err := t.Traffic.AddFilter(r)
	if err == nil {
		t.hook(r.Ifindex)
	}
	return f, err
}

// hook has what a device of the running kernel's sends and receives go through hooks.
func (t hookingTraffic) hook(ifindex uint32) {
	if n := t.socket; n.s.rtnl.ByIndex(n.Netns, ifindex) == nil && n.kernel >= 0 {
		n.s.wires.tether(n.Netns, ifindex, func() (int, error) { return openSocketNetns(n.kernel) })
	}
}

// SetXDP changes an XDP program.
func (t hookingTraffic) SetXDP(r mprog.XDPRequest) error {
	err := t.Traffic.SetXDP(r)
	if err == nil && r.FD >= 0 {
		t.hook(r.Ifindex)
	}
	return err
}

// netlinkCaller is the process behind a request of rtnetlink. Devices are those of the
// socket's network namespace.
type netlinkCaller struct {
	*caller
	socket *netlinkSocket
}

func (c netlinkCaller) Netns() uint64 { return c.socket.Netns }

// DeviceName asks the running kernel through its socket.
func (c netlinkCaller) DeviceName(ifindex uint32) (string, bool) {
	if c.socket.kernel < 0 {
		return "", false
	}
	request, err := unix.NewIfreq("x")
	if err != nil {
		return "", false
	}
	request.SetUint32(ifindex)
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(c.socket.kernel), unix.SIOCGIFNAME, uintptr(unsafe.Pointer(request)))
	return request.Name(), errno == 0
}

// DeviceDriver asks likewise.
func (c netlinkCaller) DeviceDriver(ifindex uint32) string {
	if c.socket.kernel < 0 {
		return ""
	}
	driver, _ := driverOf(c.socket.kernel, ifindex) // "" if nobody says
	return driver
}
