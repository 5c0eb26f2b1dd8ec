//go:build amd64 || arm64

package intercept

import (
	"errors"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/cilium/ebpf"
	ebpflink "github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// releasedTarget attaches a program to lo and takes it away: what lo is tethered to goes,
// with the settings that came with it, and a qdisc can get filters of the running
// kernel's. A program that comes again sees packets again.
func releasedTarget() error {
	const setting = "/proc/sys/net/ipv4/conf/lo/route_localnet"
	before, err := os.ReadFile(setting)
	if err != nil {
		return err
	}
	prog, err := ebpf.NewProgram(portDropper(81))
	if err != nil {
		return err
	}
	if err := errors.Join(serve("tcp4", "127.0.0.1:80"), serve("tcp4", "127.0.0.1:81")); err != nil {
		return err
	}
	for range 2 {
		l, err := ebpflink.AttachTCX(ebpflink.TCXOptions{Interface: loopbackIndex, Program: prog, Attach: ebpf.AttachTCXIngress})
		if err != nil {
			return err
		}
		if err := errors.Join(echoes("127.0.0.1:80"), want("tethered, though not told of", shows("nkconform"), true), l.Close()); err != nil {
			return err
		}
		for begin := time.Now(); shows("nkconform"); { // it is looked after once a second
			if time.Since(begin) > time.Minute {
				return errors.New("lo stays tethered")
			}
		}
		now, err := os.ReadFile(setting)
		if err := errors.Join(err, want("route_localnet", string(now), string(before)), echoes("127.0.0.1:81")); err != nil {
			return err
		}
	}
	return lentAtOnce(prog)
}

// lentAtOnce gives lo a filter of the running kernel's as soon as a program has left.
func lentAtOnce(prog *ebpf.Program) error {
	l, err := ebpflink.AttachTCX(ebpflink.TCXOptions{Interface: loopbackIndex, Program: prog, Attach: ebpf.AttachTCXIngress})
	if err != nil {
		return err
	}
	if err := l.Close(); err != nil {
		return err
	}
	qdisc := netlink.QdiscAttrs{LinkIndex: loopbackIndex, Handle: netlink.MakeHandle(0xffff, 0), Parent: netlink.HANDLE_CLSACT}
	if err := netlink.QdiscAdd(&netlink.Clsact{QdiscAttrs: qdisc}); err != nil {
		return err
	}
	filter := netlink.FilterAttrs{LinkIndex: loopbackIndex, Parent: netlink.HANDLE_MIN_INGRESS, Protocol: unix.ETH_P_IP, Priority: 1}
	return netlink.FilterAdd(&netlink.U32{FilterAttrs: filter, ClassId: 1})
}

// shows reports whether sysfs shows a device whose name begins so.
func shows(name string) bool {
	names, err := os.ReadDir("/sys/class/net")
	return err == nil && slices.ContainsFunc(names, func(d os.DirEntry) bool { return strings.HasPrefix(d.Name(), name) })
}
