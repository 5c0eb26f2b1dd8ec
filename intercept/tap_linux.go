//go:build amd64 || arm64

package intercept

import (
	"bytes"
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// tap is a TAP device of the running kernel, by the fd through which its frames
// come and go, each behind a struct virtio_net_hdr. The device goes with the fd.
type tap int

// vnetHeader is sizeof(struct virtio_net_hdr).
const vnetHeader = 10

// tunFile is where TAP devices are made.
const tunFile = "/dev/net/tun"

// Offloads that the device takes part in (include/uapi/linux/if_tun.h): frames come
// and go as long as the stack makes them, without checksums.
const tapOffloads = 0x01 | 0x02 | 0x04 | 0x08 // TUN_F_CSUM, TSO4, TSO6, TSO_ECN

// openTap makes a TAP device in the network namespace of the current thread, with
// an ifindex if that is not 0. It has no carrier. The namespace stays until the
// device is gone, wherever that moves to.
func openTap(name string, index uint32) (tap, error) {
	fd, err := unix.Open(tunFile, unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return -1, fmt.Errorf("open %s: %w", tunFile, err)
	}
	t := tap(fd)
	if index != 0 {
		err = t.control(unix.TUNSETIFINDEX, unsafe.Pointer(&index))
	}
	var request [ifreqSize]byte
	copy(request[:ifreqName-1], name)
	native.PutUint16(request[ifreqName:], unix.IFF_TAP|unix.IFF_NO_PI|unix.IFF_VNET_HDR)
	if err == nil {
		err = t.control(unix.TUNSETIFF, unsafe.Pointer(&request))
	}
	if err == nil {
		err = t.set(unix.TUNSETOFFLOAD, tapOffloads)
	}
	if err == nil {
		err = t.carrier(false)
	}
	if err != nil {
		unix.Close(fd)
		return -1, fmt.Errorf("make a TAP device: %w", err)
	}
	return t, nil
}

func (t tap) control(request uintptr, arg unsafe.Pointer) error {
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(t), request, uintptr(arg)); errno != 0 {
		return errno
	}
	return nil
}

func (t tap) set(request, value uintptr) error {
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(t), request, value); errno != 0 {
		return errno
	}
	return nil
}

// carrier changes whether the device has a carrier.
func (t tap) carrier(on bool) error {
	v := int32(0)
	if on {
		v = 1
	}
	return t.control(unix.TUNSETCARRIER, unsafe.Pointer(&v))
}

// name is how the device is called now.
func (t tap) name() (string, error) {
	var request [ifreqSize]byte
	if err := t.control(unix.TUNGETIFF, unsafe.Pointer(&request)); err != nil {
		return "", fmt.Errorf("name of a TAP device: %w", err)
	}
	name, _, _ := bytes.Cut(request[:ifreqName], []byte{0})
	return string(name), nil
}

// hardware is the device's address.
func (t tap) hardware() (a [6]byte, err error) {
	var request [ifreqSize]byte
	if err = t.control(unix.SIOCGIFHWADDR, unsafe.Pointer(&request)); err != nil {
		return a, fmt.Errorf("address of a TAP device: %w", err)
	}
	copy(a[:], request[ifreqName+2:])
	return a, nil
}

// netns opens the network namespace in which the device is now: EBADFD when the
// device is gone.
func (t tap) netns() (fd int, err error) {
	r, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(t), unix.TUNGETDEVNETNS, 0)
	if errno != 0 {
		return -1, errno
	}
	return int(r), nil
}

func (t tap) close() { unix.Close(int(t)) }
