package kernel

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nkconform/nkconform/mprog"
)

// A used program is another one each time, the same ones after a renewal, and
// nobody's who has not asked for it.
func TestUsedPrograms(t *testing.T) {
	s := newStage(t)
	spec := mprog.ProgSpec{Name: "a", Mute: true, Used: true}
	ids := func() (list []uint32) {
		for _, spec.Return = range []int32{0, 0, -1} {
			fd, err := s.LoadProg(spec)
			require.NoError(t, err)
			require.NoError(t, s.attach(fd, mprog.After, 0, 0))
			list = append(list, progInfo(t, s.Process, fd).ID)
		}
		return list
	}
	first := ids()
	assert.NotEqual(t, first[0], first[1])
	_, err := s.Transmit(loopback)
	assert.ErrorContains(t, err, "mute")

	require.NoError(t, s.Renew())
	fd, err := s.LoadProg(mprog.ProgSpec{Name: "new", Mute: true})
	require.NoError(t, err)
	assert.NotContains(t, first, progInfo(t, s.Process, fd).ID)
	query, err := s.ProgQuery(mprog.QueryRequest{TargetIfindex: loopback, AttachType: mprog.TCXIngress})
	require.NoError(t, err)
	assert.Zero(t, query.Count)
	assert.Equal(t, first, ids())

	require.NoError(t, s.Renew(), "lo goes with its namespace only later")
	require.NoError(t, s.Shutdown())
	other := newKernel(t)
	for _, id := range first {
		_, err := other.ProgFDByID(mprog.IDRequest{ID: id})
		assert.ErrorIs(t, err, mprog.ENOENT, "the programs end with the environment")
	}
}
