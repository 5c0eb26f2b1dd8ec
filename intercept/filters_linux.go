//go:build amd64 || arm64

package intercept

import (
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/nkconform/nkconform/intercept/notify"
	"github.com/nkconform/nkconform/intercept/rtnl"
)

// traffic answers for qdiscs and filters, as the process may use them whose request is
// in hand.
func (n *netlinkSocket) traffic() rtnl.Traffic {
	return n.s.sim.Traffic(netlinkCaller{n.s.caller(&notify.Call{TID: n.thread()}), n})
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
