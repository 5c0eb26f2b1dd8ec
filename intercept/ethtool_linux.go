//go:build amd64 || arm64

package intercept

import (
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/nkconform/nkconform/intercept/sim"
	"github.com/nkconform/nkconform/mprog"
)

// Commands of SIOCETHTOOL (include/uapi/linux/ethtool.h).
const (
	ethtoolGetSettings    = 0x1
	ethtoolSetSettings    = 0x2
	ethtoolDriver         = 0x3
	ethtoolGetMessages    = 0x7
	ethtoolSetMessages    = 0x8
	ethtoolLink           = 0xa
	ethtoolGetCoalesce    = 0xe
	ethtoolSetCoalesce    = 0xf
	ethtoolGetChannels    = 0x3c
	ethtoolSetChannels    = 0x3d
	ethtoolGetTimestamps  = 0x41
	ethtoolGetLinkSetting = 0x4c
	ethtoolSetLinkSetting = 0x4d

	driverSize    = 196 // sizeof(struct ethtool_drvinfo)
	driverName    = 4   // where it has the driver's name, of 32 bytes
	driverVersion = 36
	driverRest    = 68 // what follows the version
)

// ethtoolRefused are the commands that a TAP device takes and a netkit device does not, as
// seen on Linux 7.3.4.
var ethtoolRefused = map[uint32]bool{
	ethtoolGetSettings: true, ethtoolSetSettings: true, ethtoolGetMessages: true, ethtoolSetMessages: true,
	ethtoolLink: true, ethtoolGetCoalesce: true, ethtoolSetCoalesce: true, ethtoolGetChannels: true,
	ethtoolSetChannels: true, ethtoolGetLinkSetting: true, ethtoolSetLinkSetting: true,
}

// ethtoolFeatures are the commands about what a device offloads.
var ethtoolFeatures = map[uint32]bool{
	0x14: true, 0x15: true, 0x16: true, 0x17: true, 0x18: true, 0x19: true, 0x1e: true, 0x1f: true, 0x21: true, 0x22: true,
	0x23: true, 0x24: true, 0x25: true, 0x26: true, 0x2b: true, 0x2c: true, 0x3a: true, 0x3b: true,
}

// ethtool answers SIOCETHTOOL for a netkit device, and reports false for what the running
// kernel answers.
func (i *deviceIoctl) ethtool() (errno unix.Errno, ours bool) {
	var command [4]byte
	at := native.Uint64(i.value())
	if i.who.Read(at, command[:]) != nil {
		return unix.EFAULT, true
	}
	switch number := native.Uint32(command[:]); {
	case number == ethtoolDriver:
		info := make([]byte, driverSize)
		copy(info, command[:])
		copy(info[driverName:driverVersion-1], "netkit")
		copy(info[driverVersion:driverRest-1], sim.VersionOf(i.who.s.kernel.Running()).Release)
		if i.who.Write(sim.Segment{Address: at, Data: info}) != nil {
			return unix.EFAULT, true
		}
		return 0, true
	case number == ethtoolGetTimestamps: // struct ethtool_ts_info, of who has no clock
		const size, receive, clock = 44, 8, 16 // SOF_TIMESTAMPING_RX_SOFTWARE, _SOFTWARE
		info := make([]byte, size)
		copy(info, command[:])
		native.PutUint32(info[4:], receive|clock)
		native.PutUint32(info[8:], ^uint32(0))
		if i.who.Write(sim.Segment{Address: at, Data: info}) != nil {
			return unix.EFAULT, true
		}
		return 0, true
	case ethtoolFeatures[number]:
		i.who.s.warn("ethtool's features of a netkit device are those of a TAP device")
	case ethtoolRefused[number]:
		changes := number == ethtoolSetSettings || number == ethtoolSetMessages || number == ethtoolSetCoalesce ||
			number == ethtoolSetChannels || number == ethtoolSetLinkSetting
		if changes && !i.who.capableThere(mprog.CapNetAdmin) {
			return unix.EPERM, true
		}
		return unix.EOPNOTSUPP, true
	}
	return 0, false
}

// withoutSpeed has a TAP device of the current thread's network namespace say that it
// does not know its speed, by which a bridge reckons what a port costs: netkit devices
// have none.
func withoutSpeed(name string) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	const size, speed, speedHigh = 44, 12, 28 // struct ethtool_cmd
	settings := new([size]byte)
	native.PutUint32(settings[:], ethtoolSetSettings)
	native.PutUint16(settings[speed:], 0xffff) // SPEED_UNKNOWN
	native.PutUint16(settings[speedHigh:], 0xffff)
	var request struct { // struct ifreq
		name [ifreqName]byte
		data *[size]byte
		rest [ifreqSize - ifreqName - 8]byte
	}
	copy(request.name[:ifreqName-1], name)
	request.data = settings
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(&request))); errno != 0 {
		return errno
	}
	return nil
}
