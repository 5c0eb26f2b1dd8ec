//go:build amd64 || arm64

package intercept

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"unsafe"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// ethtoolTarget asks for what tools ask of a netkit device besides rtnetlink's links. The
// answers are those of Linux 7.3.4.
func ethtoolTarget() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	var wrong []error
	info, err := unix.IoctlGetEthtoolDrvinfo(fd, "nk0")
	if err != nil {
		return fmt.Errorf("driver: %w", err)
	}
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		return err
	}
	release := unix.ByteSliceToString(name.Release[:])
	got := strings.Join([]string{unix.ByteSliceToString(info.Driver[:]), unix.ByteSliceToString(info.Version[:]), unix.ByteSliceToString(info.Bus_info[:])}, " ")
	if want := "netkit " + release + " "; got != want[:min(len(want), len("netkit ")+31)] && got != want {
		wrong = append(wrong, fmt.Errorf("driver: %q, want %q", got, want))
	}
	for number, want := range map[uint32]error{
		ethtoolGetSettings: unix.EOPNOTSUPP, ethtoolLink: unix.EOPNOTSUPP, ethtoolGetChannels: unix.EOPNOTSUPP,
		ethtoolSetChannels: unix.EOPNOTSUPP, 0x23: nil, // ETHTOOL_GGSO
	} {
		data := new([64]byte)
		native.PutUint32(data[:], number)
		var request struct {
			name [ifreqName]byte
			data *[64]byte
			rest [16]byte
		}
		copy(request.name[:], "nk0")
		request.data = data
		_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(&request)))
		if want == nil && errno != 0 || want != nil && errno != want {
			wrong = append(wrong, fmt.Errorf("command %#x: %v, want %v", number, errno, want))
		}
	}
	return errors.Join(append(wrong, bridgeTarget())...)
}

// bridgeTarget makes a netkit device a port of a bridge, if the running kernel has any: it
// costs what a device costs that knows no speed.
func bridgeTarget() error {
	if err := netlink.LinkAdd(&netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "br0"}}); err != nil {
		fmt.Println("without bridges:", err)
		return nil
	}
	pair := &netlink.Netkit{LinkAttrs: netlink.LinkAttrs{Name: "l2"}, Mode: netlink.NETKIT_MODE_L2}
	if err := netlink.LinkAdd(pair); err != nil {
		return fmt.Errorf("make a pair: %w", err)
	}
	port, err1 := netlink.LinkByName("l2")
	bridge, err2 := netlink.LinkByName("br0")
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	if err := netlink.LinkSetMaster(port, bridge); err != nil {
		return fmt.Errorf("make a port: %w", err)
	}
	cost, err := os.ReadFile("/sys/class/net/l2/brport/path_cost")
	if err != nil || strings.TrimSpace(string(cost)) != "100" {
		return fmt.Errorf("a port costs %q, want 100: %w", cost, err)
	}
	return nil
}
