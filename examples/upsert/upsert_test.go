package upsert

import (
	"testing"

	"github.com/cilium/ebpf"
	"github.com/stretchr/testify/require"

	"github.com/nkconform/nkconform/api/link"
	"github.com/nkconform/nkconform/fake"
	"github.com/nkconform/nkconform/mprog"
)

var device = mprog.DeviceSpec{Kind: mprog.Netkit, Name: "nk0", Peer: "nk1"}

const pin = mprog.BPFFS + "/agent"

func TestUpsert(t *testing.T) {
	k := fake.NewT(t, fake.Allow(fake.LeakedPins)) // the pin is to stay, and no fd is
	nk0, _, err := k.AddDevice(device)
	require.NoError(t, err)
	v1, err := link.NewProgram(k, mprog.ProgSpec{Name: "v1"})
	require.NoError(t, err)
	defer v1.Close()
	v2, err := link.NewProgram(k, mprog.ProgSpec{Name: "v2"})
	require.NoError(t, err)
	defer v2.Close()

	// The first start, and an upgrade: the same link all the time.
	require.NoError(t, Upsert(k, int(nk0), v1, pin))
	first := attached(t, k, nk0, v1)
	require.NoError(t, Upsert(k, int(nk0), v2, pin))
	require.Equal(t, first, attached(t, k, nk0, v2))

	// The device goes, and one of the same name comes: the link is defunct.
	require.NoError(t, k.DeleteDevice(nk0))
	nk0, _, err = k.AddDevice(device)
	require.NoError(t, err)
	require.NoError(t, Upsert(k, int(nk0), v2, pin))
	require.NotEqual(t, first, attached(t, k, nk0, v2))

	// What is not for want of a link is an error, and changes nothing.
	k.Before(fake.Match{Op: mprog.OpLinkUpdate}, fake.Fail(mprog.ENOMEM))
	require.ErrorIs(t, Upsert(k, int(nk0), v1, pin), mprog.ENOMEM)
	attached(t, k, nk0, v2)
}

// attached wants one program on the device, and returns the link that has it.
func attached(t *testing.T, k mprog.Kernel, ifindex uint32, prog *link.Program) link.ID {
	res, err := link.QueryPrograms(k, link.QueryOptions{Target: int(ifindex), Attach: ebpf.AttachNetkitPrimary})
	require.NoError(t, err)
	require.Len(t, res.Programs, 1)
	info, err := prog.Info()
	require.NoError(t, err)
	id, _ := info.ID()
	require.Equal(t, id, res.Programs[0].ID)
	owner, _ := res.Programs[0].LinkID()
	return owner
}
