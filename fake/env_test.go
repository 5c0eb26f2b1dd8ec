package fake

import (
	"errors"
	"testing"

	"github.com/nkconform/nkconform/mprog"
)

// The numbers that the package comment promises.
func TestNumbers(t *testing.T) {
	k := New()
	ifindex, peer, err := k.AddDevice(mprog.DeviceSpec{Kind: mprog.Netkit, Name: "nk0", Peer: "nk1"})
	check(t, err, 0, "")
	if ifindex != 3 || peer != 2 {
		t.Errorf("netkit: ifindex %d, peer %d", ifindex, peer)
	}
	ifindex, peer, err = k.AddDevice(mprog.DeviceSpec{Kind: mprog.Dummy, Name: "d0"})
	check(t, err, 0, "")
	if ifindex != 4 || peer != 0 {
		t.Errorf("dummy: ifindex %d, peer %d", ifindex, peer)
	}
	prog, err := k.LoadProg(mprog.ProgSpec{Name: "a"})
	check(t, err, 0, "")
	link, err := k.LinkCreate(mprog.LinkCreateRequest{TargetIfindex: 3, AttachType: mprog.NetkitPrimary, ProgFD: prog})
	check(t, err, 0, "")
	progInfo, _ := k.ObjectInfo(prog)
	linkInfo, _ := k.ObjectInfo(link)
	if prog != 3 || link != 4 || progInfo.ID != 1 || linkInfo.ID != 1 {
		t.Errorf("program fd %d id %d, link fd %d id %d", prog, progInfo.ID, link, linkInfo.ID)
	}
}

func TestAddDevice(t *testing.T) {
	s := newStage(t, mprog.NetkitPrimary)
	for _, c := range []struct {
		name  string
		spec  mprog.DeviceSpec
		errno mprog.Errno
		rule  mprog.Rule
	}{
		{"15 bytes", mprog.DeviceSpec{Kind: mprog.Dummy, Name: "123456789012345"}, 0, ""},
		{"16 bytes", mprog.DeviceSpec{Kind: mprog.Dummy, Name: "1234567890123456"}, mprog.ERANGE, "stage/device-name-long"},
		{"16 bytes, no name", mprog.DeviceSpec{Kind: mprog.Dummy, Name: "123456789012345/"}, mprog.ERANGE, "stage/device-name-long"},
		{"single, taken", mprog.DeviceSpec{Kind: mprog.Netkit, Name: "nk0"}, mprog.EEXIST, "stage/device-name-taken"},
		{"single with a policy, taken", mprog.DeviceSpec{Kind: mprog.Netkit, Name: "nk0", Policy: mprog.Blackhole}, mprog.EEXIST, "stage/device-name-taken"},
		{"no name", mprog.DeviceSpec{Kind: mprog.Dummy}, mprog.EINVAL, "stage/device-name"},
		{"no peer", mprog.DeviceSpec{Kind: mprog.Veth, Name: "v4"}, mprog.EINVAL, "stage/device-name"},
		{"single", mprog.DeviceSpec{Kind: mprog.Netkit, Name: "nk2"}, 0, ""},
		{"single that forwards", mprog.DeviceSpec{Kind: mprog.Netkit, Name: "nk4", Policy: mprog.Forward}, 0, ""},
		{"single with a policy", mprog.DeviceSpec{Kind: mprog.Netkit, Name: "nk3", Policy: mprog.Blackhole}, mprog.EOPNOTSUPP, "stage/single-policy"},
		{"slash", mprog.DeviceSpec{Kind: mprog.Dummy, Name: "a/b"}, mprog.EINVAL, "stage/device-name"},
		{"dots", mprog.DeviceSpec{Kind: mprog.Dummy, Name: ".."}, mprog.EINVAL, "stage/device-name"},
		{"taken", mprog.DeviceSpec{Kind: mprog.Dummy, Name: "v1"}, mprog.EEXIST, "stage/device-name-taken"},
		{"lo", mprog.DeviceSpec{Kind: mprog.Dummy, Name: "lo"}, mprog.EEXIST, "stage/device-name-taken"},
		{"peer taken", mprog.DeviceSpec{Kind: mprog.Veth, Name: "v2", Peer: "nk0"}, mprog.EEXIST, "stage/device-name-taken"},
		{"peer to itself", mprog.DeviceSpec{Kind: mprog.Veth, Name: "v2", Peer: "v2"}, mprog.EEXIST, "stage/device-name-taken"},
		{"veth", mprog.DeviceSpec{Kind: mprog.Veth, Name: "v2", Peer: "v3"}, 0, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, _, err := s.k.AddDevice(c.spec)
			check(t, err, c.errno, c.rule)
		})
	}
	if _, _, err := s.k.AddDevice(mprog.DeviceSpec{Kind: "bridge", Name: "br0"}); !errors.Is(err, mprog.ErrUnsupported) {
		t.Error(err)
	}
	check(t, s.k.DeleteDevice(99), mprog.ENODEV, "stage/device-none")
	_, err := s.k.Transmit(99)
	check(t, err, mprog.ENODEV, "stage/device-none")
	check(t, s.k.DeleteDevice(1), mprog.EOPNOTSUPP, "stage/device-loopback")
	check(t, s.k.DeleteDevice(s.nk1), 0, "")
	check(t, s.k.DeleteDevice(s.hook.Ifindex), mprog.ENODEV, "stage/device-none")
	_, _, err = s.k.AddDevice(mprog.DeviceSpec{Kind: mprog.Netkit, Name: "nk0", Peer: "nk1"})
	check(t, err, 0, "")
}

func TestLoadProg(t *testing.T) {
	k := New()
	for _, name := range []string{"", "az_AZ.09", "123456789012345"} {
		_, err := k.LoadProg(mprog.ProgSpec{Name: name})
		check(t, err, 0, "")
	}
	for _, name := range []string{"a-b", "1234567890123456", "ä"} {
		_, err := k.LoadProg(mprog.ProgSpec{Name: name})
		check(t, err, mprog.EINVAL, "stage/prog-name")
	}
	for _, typ := range []mprog.ProgType{33, 99} {
		_, err := k.LoadProg(mprog.ProgSpec{Type: typ, Name: "a-b"})
		check(t, err, mprog.EINVAL, "stage/prog-type")
	}
	for _, typ := range []mprog.ProgType{2, 32} {
		if _, err := k.LoadProg(mprog.ProgSpec{Type: typ}); !errors.Is(err, mprog.ErrUnsupported) {
			t.Error(err)
		}
	}
}

// A kernel without a feature refuses its hooks, behind the program and in front
// of the device.
func TestWithout(t *testing.T) {
	for f, at := range map[mprog.Feature]mprog.AttachType{
		mprog.FeatureNetkit: mprog.NetkitPrimary, mprog.FeatureTCX: mprog.TCXIngress,
	} {
		k := New(Without(f))
		if err := k.Supports(f); !errors.Is(err, mprog.ErrUnsupported) {
			t.Error(err)
		}
		prog, err := k.LoadProg(mprog.ProgSpec{})
		check(t, err, 0, "")
		r := mprog.AttachRequest{TargetIfindex: 99, AttachType: at, AttachFD: prog}
		check(t, k.ProgAttach(r), mprog.EINVAL, "attach-type/not-built")
		check(t, k.ProgDetach(mprog.DetachRequest(r)), mprog.EINVAL, "attach-type/not-built")
		_, err = k.ProgQuery(mprog.QueryRequest{TargetIfindex: 99, AttachType: at})
		check(t, err, mprog.EINVAL, "attach-type/not-built")
		_, err = k.LinkCreate(mprog.LinkCreateRequest{TargetIfindex: 99, AttachType: at, ProgFD: prog})
		check(t, err, mprog.EINVAL, "attach-type/not-built")
		r.AttachFD = 99
		check(t, k.ProgAttach(r), mprog.EBADF, "prog/bad-fd")
	}
	for _, kind := range []mprog.DeviceKind{mprog.Netkit, mprog.Veth, mprog.Dummy} {
		k := New(Without(mprog.Feature(kind)))
		if _, _, err := k.AddDevice(mprog.DeviceSpec{Kind: kind, Name: "a", Peer: "b"}); !errors.Is(err, mprog.ErrUnsupported) {
			t.Error(err)
		}
		_, _, err := k.AddDevice(mprog.DeviceSpec{Kind: mprog.AnyDevice, Name: "a"})
		check(t, err, 0, "")
	}
	k := New()
	for _, f := range mprog.Features {
		check(t, k.Supports(f), 0, "")
	}
	if err := k.Supports("time travel"); !errors.Is(err, mprog.ErrUnsupported) {
		t.Error(err)
	}
}

func TestShutdown(t *testing.T) {
	s := newStage(t, mprog.NetkitPrimary)
	s.put("a b@l")
	check(t, s.k.Shutdown(), 0, "")
	s.alive(0, 0)
	if len(s.k.files) != 0 || len(s.k.net.devices) != 0 {
		t.Errorf("%d fds and %d devices left", len(s.k.files), len(s.k.net.devices))
	}
}
