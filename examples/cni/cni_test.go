//go:build linux

package cni

import (
	"net"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/cilium/ebpf/link"
	"github.com/stretchr/testify/require"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/nkconform/nkconform/fake"
	"github.com/nkconform/nkconform/intercept"
	"github.com/nkconform/nkconform/mprog"
)

const (
	address = "10.0.0.1/24"
	attach  = "from_container"
)

var pins = filepath.Join(mprog.BPFFS, "cni")

// needTUN skips a test where simulated devices have no addresses.
func needTUN(t testing.TB) {
	t.Helper()
	f, err := os.OpenFile("/dev/net/tun", os.O_RDWR, 0)
	if err != nil {
		t.Skip("needs TUN, for netkit devices to have addresses:", err)
	}
	require.NoError(t, f.Close())
}

// pinned is a kernel whose pins are to stay.
func pinned(t *testing.T, opts ...fake.Option) *fake.Kernel {
	t.Helper()
	needTUN(t)
	return intercept.NewT(t, append(opts, fake.Allow(fake.LeakedPins))...)
}

func load(t testing.TB) *Agent {
	t.Helper()
	needTUN(t)
	a, err := Load(pins)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, a.Close()) })
	return a
}

func primary(k *fake.Kernel, ifindex uint32) string {
	return k.Hook(ifindex, mprog.NetkitPrimary).String()
}

func TestAdd(t *testing.T) {
	for _, release := range []string{"6.12", "6.18", "7.3"} {
		t.Run(release, func(t *testing.T) {
			k := pinned(t, fake.Linux(release))
			nk0, _ := k.Netkit("nk0", "nk1")
			require.NoError(t, load(t).Add("nk0", address))
			require.Equal(t, "revision 2 [from_container@l1]", primary(k, nk0))
		})
	}
}

func TestAddWithoutDevice(t *testing.T) {
	pinned(t)
	require.ErrorAs(t, load(t).Add("nk0", address), new(netlink.LinkNotFoundError))
}

func TestAddToOtherKind(t *testing.T) {
	pinned(t)
	require.ErrorIs(t, load(t).Add("lo", "127.0.0.2/32"), unix.ENXIO)
}

// A second Add keeps the link, its place, and the address.
func TestAddAgain(t *testing.T) {
	k := pinned(t)
	nk0, _ := k.Netkit("nk0", "nk1")
	a := load(t)
	require.NoError(t, a.Add("nk0", address))
	before := primary(k, nk0)
	require.NoError(t, a.Add("nk0", address))
	require.Equal(t, before, primary(k, nk0))
	d, err := netlink.LinkByName("nk0")
	require.NoError(t, err)
	list, err := netlink.AddrList(d, netlink.FAMILY_V4)
	require.NoError(t, err)
	require.Len(t, list, 1)
	require.Equal(t, address, list[0].IPNet.String())
}

// An upgrade replaces the program within its link: never a moment without one.
func TestUpgrade(t *testing.T) {
	k := pinned(t)
	nk0, _ := k.Netkit("nk0", "nk1")
	old, err := Load(pins)
	require.NoError(t, err)
	require.NoError(t, old.Add("nk0", address))
	require.NoError(t, old.Close())
	gaps := 0
	stop := k.Observe(func(e *fake.Event) {
		if e.Op == mprog.OpLinkCreate || e.Op == mprog.OpLinkDetach || e.Op == mprog.OpProgDetach {
			gaps++
		}
	})
	require.NoError(t, load(t).Add("nk0", address))
	stop()
	require.Zero(t, gaps)
	require.EqualValues(t, 3, k.Hook(nk0, mprog.NetkitPrimary).Revision)
}

// The device goes and one of its name comes: ENOLINK, and a new link.
func TestDeviceComesAgain(t *testing.T) {
	k := pinned(t)
	nk0, _ := k.Netkit("nk0", "nk1")
	a := load(t)
	require.NoError(t, a.Add("nk0", address))
	require.NoError(t, k.DeleteDevice(nk0))
	nk0, _ = k.Netkit("nk0", "nk1")
	require.NoError(t, a.Add("nk0", address))
	require.Equal(t, "revision 2 [from_container@l2]", primary(k, nk0))
}

// A pin that cannot be made leaves nothing attached.
func TestPinFails(t *testing.T) {
	k := intercept.NewT(t)
	nk0, _ := k.Netkit("nk0", "nk1")
	k.Before(fake.Match{Op: mprog.OpObjPin}, fake.Fail(mprog.ENOSPC))
	require.ErrorIs(t, load(t).Add("nk0", address), unix.ENOSPC)
	require.Equal(t, "revision 1 []", primary(k, nk0))
}

func TestNoMemory(t *testing.T) {
	for _, op := range []mprog.Op{"map create", mprog.OpProgLoad, mprog.OpLinkCreate} {
		t.Run(string(op), func(t *testing.T) {
			k := intercept.NewT(t)
			k.Netkit("nk0", "nk1")
			load(t) // so that the library has found out what the kernel can do: it would believe the failure for ever
			k.Before(fake.Match{Op: op}, fake.Fail(mprog.ENOMEM))
			a, err := Load(pins)
			if err == nil {
				defer a.Close()
				err = a.Add("nk0", address)
			}
			require.ErrorIs(t, err, unix.ENOMEM)
		})
	}
}

// A rival that was there first stays in front.
func TestRivalInFront(t *testing.T) {
	k := pinned(t, fake.Allow(fake.LeakedFDs))
	nk0, _ := k.Netkit("nk0", "nk1")
	rival, err := k.LoadProg(mprog.ProgSpec{Name: "rival"})
	require.NoError(t, err)
	require.NoError(t, k.ProgAttach(mprog.AttachRequest{TargetIfindex: nk0, AttachType: mprog.NetkitPrimary, AttachFD: rival}))
	require.NoError(t, load(t).Add("nk0", address))
	require.Equal(t, "revision 3 [rival from_container@l1]", primary(k, nk0))
}

// The device goes between the link and its pin.
func TestDeviceGoesMeanwhile(t *testing.T) {
	k := pinned(t)
	nk0, _ := k.Netkit("nk0", "nk1")
	k.Before(fake.Match{Op: mprog.OpObjPin, Nth: 1}, fake.Rival(func(k *fake.Kernel) {
		require.NoError(t, k.DeleteDevice(nk0))
	}))
	a := load(t)
	require.NoError(t, a.Add("nk0", address)) // which the agent does not notice
	nk0, _ = k.Netkit("nk0", "nk1")
	require.NoError(t, a.Add("nk0", address)) // but the next time it mends it
	require.Equal(t, "revision 2 [from_container@l2]", primary(k, nk0))
}

// Somebody removes the pin of a link that is gone before the agent does.
func TestRivalRemovesPin(t *testing.T) {
	k := pinned(t)
	nk0, _ := k.Netkit("nk0", "nk1")
	a := load(t)
	require.NoError(t, a.Add("nk0", address))
	require.NoError(t, k.DeleteDevice(nk0))
	nk0, _ = k.Netkit("nk0", "nk1")
	k.After(fake.Match{Op: mprog.OpLinkUpdate, Nth: 1}, fake.Rival(func(k *fake.Kernel) {
		require.NoError(t, k.Unlink(filepath.Join(pins, "nk0")))
	}))
	require.NoError(t, a.Add("nk0", address))
	require.Equal(t, "revision 2 [from_container@l2]", primary(k, nk0))
}

// Two agents add devices at the same time; one waits at its pin.
func TestTwoAtOnce(t *testing.T) {
	k := pinned(t)
	k.Netkit("nk0", "nk1")
	two, _ := k.Netkit("nk2", "nk3")
	a := load(t)
	gate := fake.NewGate()
	k.Before(fake.Match{Op: mprog.OpObjPin, Nth: 1}, gate.Hold)
	done := make(chan error)
	go func() { done <- a.Add("nk0", address) }()
	<-gate.Held()
	require.NoError(t, a.Add("nk2", "10.0.1.1/24"))
	require.Equal(t, "revision 2 [from_container@l2]", primary(k, two))
	gate.Open()
	require.NoError(t, <-done)
}

func TestRemove(t *testing.T) {
	k := intercept.NewT(t) // nothing may be left
	nk0, _ := k.Netkit("nk0", "nk1")
	a := load(t)
	require.NoError(t, a.Add("nk0", address))
	require.NoError(t, a.Remove("nk0"))
	require.Equal(t, "revision 1 []", primary(k, nk0))
	require.NoError(t, a.Remove("nk0")) // a second time
	_, err := os.Stat(filepath.Join(pins, "nk0"))
	require.ErrorIs(t, err, os.ErrNotExist)
}

// A restarted agent finds its link, though it cannot list others.
func TestRestart(t *testing.T) {
	k := pinned(t)
	nk0, _ := k.Netkit("nk0", "nk1")
	for range 3 {
		a, err := Load(pins)
		require.NoError(t, err)
		require.NoError(t, a.Add("nk0", address))
		require.NoError(t, a.Close())
	}
	require.EqualValues(t, 4, k.Hook(nk0, mprog.NetkitPrimary).Revision) // attached, and updated twice
	l, err := link.LoadPinnedLink(filepath.Join(pins, "nk0"), nil)
	require.NoError(t, err)
	defer l.Close()
	info, err := l.Info()
	require.NoError(t, err)
	require.EqualValues(t, 1, info.ID)
}

// Datagrams from the container to a denied port are dropped, others arrive.
func TestTraffic(t *testing.T) {
	k := pinned(t)
	_, nk1 := k.Netkit("nk0", "nk1")
	a := load(t)
	require.NoError(t, a.Add("nk0", address))
	require.NoError(t, a.Deny(53))

	received := inContainer(t, int(nk1), "10.0.0.2/24")
	for _, port := range []int{53, 54} {
		to := &net.UDPAddr{IP: net.IPv4(10, 0, 0, 2), Port: port}
		socket, err := net.ListenUDP("udp4", nil)
		require.NoError(t, err)
		_, err = socket.WriteTo([]byte("hello"), to)
		require.NoError(t, err)
		require.NoError(t, socket.Close())
	}
	require.Equal(t, 54, <-received)
	drops, err := a.Dropped(53)
	require.NoError(t, err)
	require.EqualValues(t, 1, drops)
}

// inContainer moves a device to a network namespace that lives as long as the test,
// and tells on which of two ports a datagram arrives first.
func inContainer(t *testing.T, ifindex int, address string) <-chan int {
	t.Helper()
	ready, arrived := make(chan error), make(chan int, 1)
	go func() {
		runtime.LockOSThread() // and never unlock: the namespace ends with the thread
		ready <- func() error {
			outside, err := netns.Get()
			if err != nil {
				return err
			}
			defer outside.Close()
			inside, err := netns.New()
			if err != nil {
				return err
			}
			defer inside.Close()
			there, err := netlink.NewHandleAt(outside)
			if err != nil {
				return err
			}
			defer there.Close()
			d, err := there.LinkByIndex(ifindex)
			if err != nil {
				return err
			}
			if err := there.LinkSetNsFd(d, int(inside)); err != nil {
				return err
			}
			if d, err = netlink.LinkByName(d.Attrs().Name); err != nil {
				return err
			}
			a, err := netlink.ParseAddr(address)
			if err != nil {
				return err
			}
			if err := netlink.AddrAdd(d, a); err != nil {
				return err
			}
			return netlink.LinkSetUp(d)
		}()
		sockets := map[int]*net.UDPConn{}
		for _, port := range []int{53, 54} {
			s, err := net.ListenUDP("udp4", &net.UDPAddr{Port: port})
			if err != nil {
				ready <- err
				return
			}
			sockets[port] = s
		}
		ready <- nil
		for port, s := range sockets {
			go func() {
				_ = s.SetReadDeadline(time.Now().Add(time.Minute))
				if _, _, err := s.ReadFromUDP(make([]byte, 16)); err == nil {
					arrived <- port
				}
			}()
		}
		select {} // until the program ends
	}()
	require.NoError(t, <-ready)
	require.NoError(t, <-ready)
	return arrived
}
