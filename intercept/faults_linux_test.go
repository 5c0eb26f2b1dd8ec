//go:build amd64 || arm64

package intercept

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	ebpflink "github.com/cilium/ebpf/link"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/nkconform/nkconform/internal/doctor"
)

// Without /dev/net/tun netkit devices have hooks and carry nothing, which is said once.
func TestWithoutTUN(t *testing.T) {
	doctor.NeedProgram(t, "mount", "sh")
	needNamespaces(t)
	c := target(t, "", "hooks")
	sh := []string{"sh", "-c", `mount --make-rprivate / && mount -t tmpfs none /dev/net && exec "$@"`, "-"}
	c.Args = append(sh, c.Args...)
	c.Path = "/bin/sh"
	c.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNS}
	if os.Geteuid() != 0 {
		c.SysProcAttr.Cloneflags |= unix.CLONE_NEWUSER
		c.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}}
		c.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}}
	}
	said := wholeOutput(t, c)
	require.Equal(t, 1, strings.Count("\n"+said, "\nnkconform: netkit devices have no addresses and carry no packets here: /dev/net/tun:"), said)
}

// waitingTarget has a namespace end while frames wait in the devices: they go with it, and
// the next pair with their names works.
func waitingTarget() error {
	for range 3 {
		c, tid, err := newContainer()
		if err != nil {
			return err
		}
		index, err := pair(c, tid)
		if err != nil {
			return err
		}
		flood, err := net.Dial("udp4", "10.9.0.2:9")
		if err != nil {
			return err
		}
		stopped := make(chan struct{})
		go func() {
			defer close(stopped)
			for gone := false; !gone; {
				_, err := flood.Write(make([]byte, 1000))
				gone = errors.Is(err, unix.ENETUNREACH) || errors.Is(err, unix.EINVAL) || errors.Is(err, net.ErrClosed)
			}
		}()
		c.end()
		for begin := time.Now(); ; {
			if _, err := net.InterfaceByIndex(index); err != nil {
				break
			}
			if time.Since(begin) > time.Minute {
				return errors.New("the pair stays, though a namespace has ended")
			}
		}
		flood.Close()
		<-stopped
	}
	c, tid, err := newContainer()
	if err != nil {
		return err
	}
	if _, err := pair(c, tid); err != nil {
		return err
	}
	return errors.Join(c.do(func() error { return serve("tcp4", "10.9.0.2:80") }), echoes("10.9.0.2:80"))
}

// keptTarget makes a pair and attaches to it and to lo, tells its process, and sends until
// it cannot any more.
func keptTarget() error {
	c, tid, err := newContainer()
	if err != nil {
		return err
	}
	index, err := pair(c, tid)
	if err != nil {
		return err
	}
	prog, err := ebpf.NewProgram(portDropper(81))
	if err != nil {
		return err
	}
	for _, device := range []int{index, loopbackIndex} {
		l, err := ebpflink.AttachTCX(ebpflink.TCXOptions{Interface: device, Program: prog, Attach: ebpf.AttachTCXEgress})
		if err != nil {
			return err
		}
		kept = append(kept, l)
	}
	conn, err := net.Dial("udp4", "10.9.0.2:9")
	if err != nil {
		return err
	}
	fmt.Println(os.Getpid())
	for {
		if _, err := conn.Write([]byte{1}); errors.Is(err, unix.ENETUNREACH) || errors.Is(err, unix.EINVAL) {
			return nil
		}
	}
}

// When nkconform is killed, the devices go, so that the program ends, and the host has
// neither devices nor mounts more than before.
func TestKilledLeavesNothing(t *testing.T) {
	doctor.Need(t, "tun")
	needNamespaces(t)
	before := hostState(t)
	c := target(t, "", "kept")
	out, err := c.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, c.Start())
	var pid int
	_, err = fmt.Fscan(out, &pid)
	require.NoError(t, err)
	require.NoError(t, c.Process.Kill())
	_ = c.Wait() // killed
	require.Eventually(t, func() bool {
		status, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
		return err != nil || strings.Contains(string(status), "State:\tZ")
	}, time.Minute, 10*time.Millisecond)
	require.Equal(t, before, hostState(t))
}

// hostState is which devices and mounts this process sees.
func hostState(t *testing.T) string {
	devices, err := os.ReadFile("/proc/self/net/dev")
	require.NoError(t, err)
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	require.NoError(t, err)
	names := ""
	for line := range strings.Lines(string(devices)) {
		name, _, _ := strings.Cut(line, ":")
		names += strings.TrimSpace(name) + "\n"
	}
	return names + string(mounts)
}
