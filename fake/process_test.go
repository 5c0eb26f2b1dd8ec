package fake

import (
	"errors"
	"io/fs"
	"testing"

	"github.com/nkconform/nkconform/mprog"
)

func TestLoadProgTakesCapabilities(t *testing.T) {
	k := New()
	for _, c := range []struct {
		name    string
		typ     mprog.ProgType
		without []mprog.Capability
		rule    mprog.Rule // "": it is loaded
	}{
		{"all", 0, nil, ""},
		{"no CAP_BPF", 0, []mprog.Capability{mprog.CapBPF}, ""},
		{"no CAP_SYS_ADMIN", 0, []mprog.Capability{mprog.CapSysAdmin}, ""},
		{"neither", mprog.SocketFilter, []mprog.Capability{mprog.CapBPF, mprog.CapSysAdmin}, "prog-load/capability"},
		{"neither, and no CAP_NET_ADMIN", 0, []mprog.Capability{mprog.CapBPF, mprog.CapSysAdmin, mprog.CapNetAdmin}, "prog-load/capability"},
		{"packets", 0, []mprog.Capability{mprog.CapNetAdmin, mprog.CapSysAdmin}, "prog-load/net-admin"},
		{"packets, no such type", 99, []mprog.Capability{mprog.CapNetAdmin, mprog.CapSysAdmin}, "prog-load/net-admin"},
		{"no packets", mprog.SocketFilter, []mprog.Capability{mprog.CapNetAdmin, mprog.CapSysAdmin}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, err := k.NewProcess(mprog.ProcessSpec{Without: c.without})
			check(t, err, 0, "")
			_, err = p.(*Process).LoadProg(mprog.ProgSpec{Type: c.typ, Name: "a"})
			want := mprog.Errno(0)
			if c.rule != "" {
				want = mprog.EPERM
			}
			check(t, err, want, c.rule)
		})
	}
}

func TestNamespaces(t *testing.T) {
	k := New()
	_, err := k.NewProcess(mprog.ProcessSpec{Netns: 1})
	check(t, err, mprog.EINVAL, "stage/netns")
	blue, err := k.NewNetns()
	check(t, err, 0, "")
	p, err := k.NewProcess(mprog.ProcessSpec{Netns: blue})
	check(t, err, 0, "")
	p.(*Process).AddDeviceAt(mprog.DeviceSpec{Kind: mprog.Dummy, Name: "d0"}, 2, nil, 0)
	p.(*Process).AddDeviceAt(mprog.DeviceSpec{Kind: mprog.Dummy, Name: "d1"}, 3, nil, 0)
	d0, _, err := k.AddDevice(mprog.DeviceSpec{Kind: mprog.Dummy, Name: "d0"})
	check(t, err, 0, "")
	d2, _, err := k.AddDevice(mprog.DeviceSpec{Kind: mprog.Dummy, Name: "d2"})
	check(t, err, 0, "")

	for _, c := range []struct {
		name    string
		ifindex uint32
		to      mprog.Netns
		want    uint32
		errno   mprog.Errno
		rule    mprog.Rule
	}{
		{"no device", 99, blue, 0, mprog.ENODEV, "stage/device-none"},
		{"no namespace", d0, blue + 1, 0, mprog.EINVAL, "stage/netns"},
		{"lo", 1, blue, 0, mprog.EINVAL, "stage/move-loopback"},
		{"lo, where it is", 1, 0, 0, mprog.EINVAL, "stage/move-loopback"},
		{"where it is", d0, 0, d0, 0, ""},
		{"name taken", d0, blue, 0, mprog.EEXIST, "stage/device-name-taken"},
		{"ifindex taken", d2, blue, 4, 0, ""},
		{"gone", d2, blue, 0, mprog.ENODEV, "stage/device-none"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := k.MoveDevice(c.ifindex, c.to)
			check(t, err, c.errno, c.rule)
			if got != c.want {
				t.Errorf("ifindex %d, want %d", got, c.want)
			}
		})
	}
}

func TestExitedProcess(t *testing.T) {
	k := New()
	p, err := k.NewProcess(mprog.ProcessSpec{})
	check(t, err, 0, "")
	check(t, p.Exit(), 0, "")
	if err := p.Close(0); !errors.Is(err, fs.ErrClosed) {
		t.Error(err)
	}
	q, err := k.NewProcess(mprog.ProcessSpec{})
	check(t, err, 0, "")
	check(t, k.Shutdown(), 0, "")
	if err := q.Close(0); !errors.Is(err, fs.ErrClosed) {
		t.Error("a process outlives its machine: ", err)
	}
}

func TestEndNetns(t *testing.T) {
	for _, c := range []struct {
		name   string
		inside int // processes that live there
		exits  int // and end
		gone   bool
	}{
		{"nobody inside", 0, 0, true},
		{"a process inside", 1, 0, false},
		{"the last one exits", 2, 2, true},
		{"one of two exits", 2, 1, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			k := New()
			nk0, nk1, err := k.AddDevice(mprog.DeviceSpec{Kind: mprog.Netkit, Name: "nk0", Peer: "nk1"})
			check(t, err, 0, "")
			a, err := k.LoadProg(mprog.ProgSpec{Name: "a"})
			check(t, err, 0, "")
			link, err := k.LinkCreate(mprog.LinkCreateRequest{ProgFD: a, TargetIfindex: nk0, AttachType: mprog.NetkitPeer})
			check(t, err, 0, "")
			blue, err := k.NewNetns()
			check(t, err, 0, "")
			_, err = k.MoveDevice(nk1, blue)
			check(t, err, 0, "")
			var inside []mprog.Process
			for range c.inside {
				p, err := k.NewProcess(mprog.ProcessSpec{Netns: blue})
				check(t, err, 0, "")
				inside = append(inside, p)
			}
			check(t, k.EndNetns(blue), 0, "")
			for _, p := range inside[:c.exits] {
				check(t, p.Exit(), 0, "")
			}
			info, err := k.ObjectInfo(link)
			check(t, err, 0, "")
			if gone := info.Ifindex == 0; gone != c.gone {
				t.Errorf("the link's ifindex is %d", info.Ifindex)
			}
			if gone := k.Hook(nk0, mprog.NetkitPeer).Err == mprog.ENODEV; gone != c.gone {
				t.Errorf("the primary is there: %t", !gone)
			}
			check(t, k.EndNetns(blue), mprog.EBADF, "stage/ended-netns")
			_, err = k.MoveDevice(1, blue)
			check(t, err, mprog.EBADF, "stage/ended-netns")
			_, err = k.NewProcess(mprog.ProcessSpec{Netns: blue})
			check(t, err, mprog.EBADF, "stage/ended-netns")
		})
	}
}

func TestEndNoNetns(t *testing.T) {
	k := New()
	check(t, k.EndNetns(1), mprog.EINVAL, "stage/netns")
	if err := k.EndNetns(0); !errors.Is(err, mprog.ErrUnsupported) {
		t.Error("the first process's network namespace ends without it: ", err)
	}
}
