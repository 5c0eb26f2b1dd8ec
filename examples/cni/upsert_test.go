package cni

import (
	"testing"

	"github.com/cilium/ebpf"
	"github.com/stretchr/testify/require"

	"github.com/nkconform/nkconform/api/link"
	"github.com/nkconform/nkconform/fake"
	"github.com/nkconform/nkconform/mprog"
)

// seam is Hook on package fake, by the same calls as on the kernel.
type seam struct {
	k       *fake.Kernel
	ifindex uint32
	prog    *link.Program
	pin     string
}

func (s seam) Update() error {
	l, err := link.LoadPinnedLink(s.k, s.pin, nil)
	if err != nil {
		return err
	}
	defer l.Close()
	return l.Update(s.prog)
}

func (s seam) Unpin() error { return s.k.Unlink(s.pin) }

func (s seam) Create() error {
	l, err := link.AttachNetkit(s.k, link.NetkitOptions{
		Interface: int(s.ifindex), Program: s.prog, Attach: ebpf.AttachNetkitPrimary,
	})
	if err != nil {
		return err
	}
	defer l.Close()
	return l.Pin(s.pin)
}

// The logic alone, on any system.
func TestUpsertOnFake(t *testing.T) {
	k := fake.NewT(t, fake.Allow(fake.LeakedPins))
	nk0, _ := k.Netkit("nk0", "nk1")
	prog, err := link.NewProgram(k, mprog.ProgSpec{Name: "from_container"})
	require.NoError(t, err)
	defer prog.Close()
	s := seam{k, nk0, prog, mprog.BPFFS + "/nk0"}
	require.NoError(t, Upsert(s))
	require.Equal(t, "revision 2 [from_container@l1]", k.Hook(nk0, mprog.NetkitPrimary).String())

	require.NoError(t, k.DeleteDevice(nk0))
	s.ifindex, _ = k.Netkit("nk0", "nk1")
	require.NoError(t, Upsert(s))
	require.Equal(t, "revision 2 [from_container@l2]", k.Hook(s.ifindex, mprog.NetkitPrimary).String())
}
