package anchored

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nkconform/nkconform/fake"
	"github.com/nkconform/nkconform/mprog"
)

// The traces of this test, played by a real kernel, tell whether it is right to
// rely on what it relies on:
//
//	NKCONFORM_TRACE=$PWD/traces go test ./examples/anchored
//	nkconform run --backend vm:debian:7.3 traces
func TestUpgrade(t *testing.T) {
	for _, tc := range []struct {
		name     string
		attached bool // the old program
		others   int
		position int // of the new one
	}{
		{name: "alone", attached: true},
		{name: "others behind", attached: true, others: 2},
		{name: "old one gone", others: 2},
	} {
		t.Run(tc.name, func(t *testing.T) {
			k := fake.NewT(t)
			ifindex, _, err := k.AddDevice(mprog.DeviceSpec{Kind: mprog.Netkit, Name: "nk0", Peer: "nk1"})
			require.NoError(t, err)
			hook := mprog.Hook{Ifindex: ifindex, Type: mprog.NetkitPrimary}
			old, prog := load(t, k, "old"), load(t, k, "new")
			if tc.attached {
				attach(t, k, hook, old)
			}
			for range tc.others {
				attach(t, k, hook, load(t, k, "other"))
			}

			require.NoError(t, Upgrade(k, hook, old, prog))

			ids := make([]uint32, mprog.MaxPrograms)
			res, err := k.ProgQuery(mprog.QueryRequest{
				TargetIfindex: hook.Ifindex, AttachType: hook.Type, Count: uint32(len(ids)), ProgIDs: ids,
			})
			require.NoError(t, err)
			require.EqualValues(t, tc.others+1, res.Count)
			info, err := k.ObjectInfo(prog)
			require.NoError(t, err)
			require.Equal(t, info.ID, ids[tc.position])
		})
	}
}

func load(t *testing.T, k *fake.Kernel, name string) uint32 {
	fd, err := k.LoadProg(mprog.ProgSpec{Name: name})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, k.Close(fd)) })
	return fd
}

func attach(t *testing.T, k *fake.Kernel, hook mprog.Hook, fd uint32) {
	require.NoError(t, k.ProgAttach(mprog.AttachRequest{
		TargetIfindex: hook.Ifindex, AttachType: hook.Type, AttachFD: fd,
	}))
}
