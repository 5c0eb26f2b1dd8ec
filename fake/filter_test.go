package fake_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nkconform/nkconform/fake"
	"github.com/nkconform/nkconform/mprog"
)

// An ingress qdisc has one list, whose filters are told with the parent of the last
// request for a new one, also of one that was refused for its chain (seen on 6.18).
func TestFilterParent(t *testing.T) {
	k := fake.New()
	fd, err := k.LoadProg(mprog.ProgSpec{Name: "p"})
	require.NoError(t, err)
	require.NoError(t, k.QdiscAdd(mprog.QdiscRequest{Ifindex: 1, Kind: mprog.Ingress, Flags: mprog.NLCreate}))
	in, out := mprog.Hook{Ifindex: 1, Type: mprog.TCXIngress}, mprog.Hook{Ifindex: 1, Type: mprog.TCXEgress}
	r := mprog.FilterRequest{Hook: in, Kind: mprog.BPFKind, Priority: 1, Protocol: mprog.AnyProtocol, Flags: mprog.NLCreate, FD: fd}
	for _, c := range []struct {
		hook  mprog.Hook
		chain uint32
		errno error
		want  uint32
	}{
		{in, 0, nil, 0xfffffff2},
		{out, 0, nil, 0xfffffff3},
		{in, 1 << 28, mprog.EINVAL, 0xfffffff2},
	} {
		r.Hook, r.Chain = c.hook, c.chain
		require.ErrorIs(t, k.FilterAdd(r), c.errno)
		list, err := k.FilterList(out)
		require.NoError(t, err)
		for _, f := range list {
			require.Equal(t, c.want, f.Parent)
		}
	}
}
