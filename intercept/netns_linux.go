//go:build amd64 || arm64

package intercept

import (
	"fmt"
	"runtime"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"
)

// inNetns runs a function on a thread in the network namespace of another
// thread, if this process may enter it.
func (s *supervisor) inNetns(tid uint32, netns uint64, f func() error) error {
	if netns == s.native {
		return f()
	}
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlock: the thread ends with the goroutine
		done <- func() error {
			ns, err := unix.Open("/proc/"+strconv.FormatUint(uint64(tid), 10)+"/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
			if err != nil {
				return fmt.Errorf("network namespace of %d: %w", tid, err)
			}
			defer unix.Close(ns)
			if err := unix.Setns(ns, unix.CLONE_NEWNET); err != nil {
				return fmt.Errorf("enter network namespace of %d: %w", tid, err)
			}
			return f()
		}()
	}()
	return <-done
}

// DeviceName asks the running kernel for the name of one of its devices.
func (c *caller) DeviceName(ifindex uint32) (name string, ok bool) {
	err := c.s.inNetns(c.call.TID, c.Netns(), func() (err error) {
		name, err = deviceName(ifindex)
		return err
	})
	return name, err == nil
}

// DeviceDriver asks the running kernel for the name of a device's driver.
func (c *caller) DeviceDriver(ifindex uint32) (driver string) {
	_ = c.s.inNetns(c.call.TID, c.Netns(), func() error {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		driver, err = driverOf(fd, ifindex)
		return err
	})
	return driver
}

// driverOf asks a socket for the name of a device's driver.
func driverOf(socket int, ifindex uint32) (string, error) {
	request, err := unix.NewIfreq("x")
	if err != nil {
		return "", fmt.Errorf("ifreq: %w", err)
	}
	request.SetUint32(ifindex)
	if err := ioctlIfreq(socket, unix.SIOCGIFNAME, request); err != nil {
		return "", err
	}
	info, err := unix.IoctlGetEthtoolDrvinfo(socket, request.Name())
	if err != nil {
		return "", err
	}
	return unix.ByteSliceToString(info.Driver[:]), nil
}

// deviceName looks a device up in the current thread's network namespace.
func deviceName(ifindex uint32) (string, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return "", fmt.Errorf("socket: %w", err)
	}
	defer unix.Close(fd)
	request, err := unix.NewIfreq("x")
	if err != nil {
		return "", fmt.Errorf("ifreq: %w", err)
	}
	request.SetUint32(ifindex)
	if err := ioctlIfreq(fd, unix.SIOCGIFNAME, request); err != nil {
		return "", err
	}
	return request.Name(), nil
}

// ioctlIfreq asks about a device. The error is an errno.
func ioctlIfreq(fd int, number uintptr, request *unix.Ifreq) error {
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), number, uintptr(unsafe.Pointer(request))); errno != 0 {
		return errno
	}
	return nil
}

// currentNetns is the inode of the current thread's network namespace.
func currentNetns() (uint64, error) {
	var st unix.Stat_t
	if err := unix.Stat("/proc/thread-self/ns/net", &st); err != nil {
		return 0, fmt.Errorf("network namespace: %w", err)
	}
	return st.Ino, nil
}

// within runs a function on a thread in the network namespace that an fd refers to.
func within(netns int, f func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlock: the thread ends with the goroutine
		done <- func() error {
			if err := unix.Setns(netns, unix.CLONE_NEWNET); err != nil {
				return fmt.Errorf("enter a network namespace: %w", err)
			}
			return f()
		}()
	}()
	return <-done
}

// newNetns opens a network namespace that is empty.
func newNetns() (fd int, err error) {
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlock
		done <- func() error {
			if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
				return fmt.Errorf("network namespace: %w", err)
			}
			fd, err = openNetns()
			return err
		}()
	}()
	return fd, <-done
}

// openNetns opens the network namespace of the current thread.
func openNetns() (fd int, err error) {
	fd, err = unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("network namespace: %w", err)
	}
	return fd, nil
}

// inodeOf is the inode of what an fd refers to, by which namespaces are told apart.
func inodeOf(fd int) (uint64, error) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return 0, fmt.Errorf("fstat: %w", err)
	}
	return st.Ino, nil
}
