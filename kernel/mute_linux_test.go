package kernel

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nkconform/nkconform/mprog"
)

// What a mute program would hide is an error, not an answer, until the
// environment is renewed.
func TestMutePrograms(t *testing.T) {
	s := newStage(t)
	fd, err := s.LoadProg(mprog.ProgSpec{Name: "a", Mute: true})
	require.NoError(t, err)
	require.NoError(t, s.attach(fd, 0, 0, 0))
	_, err = s.Transmit(loopback)
	assert.ErrorContains(t, err, "mute")

	require.NoError(t, s.Renew())
	require.NoError(t, s.attach(s.prog("b"), 0, 0, 0))
	d, err := s.Transmit(loopback)
	require.NoError(t, err)
	assert.Len(t, d.Ran, 1)
}
