package benign

import (
	"syscall"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/stretchr/testify/require"

	"github.com/nkconform/nkconform/api/link"
	"github.com/nkconform/nkconform/fake"
	"github.com/nkconform/nkconform/mprog"
)

const lo = 1

func TestAttach(t *testing.T) {
	k := fake.NewT(t)
	ours, err := link.NewProgram(k, mprog.ProgSpec{Name: "ours"})
	require.NoError(t, err)
	defer ours.Close()
	theirs, err := link.NewProgram(k, mprog.ProgSpec{Name: "theirs"})
	require.NoError(t, err)
	defer theirs.Close()
	// The interface is reported twice, and in between another agent attaches
	// behind us: its link is the last of the hook, and not ours to take.
	first, err := Attach(k, lo, ours)
	require.NoError(t, err)
	other, err := Attach(k, lo, theirs)
	require.NoError(t, err)
	defer other.Close()
	before := k.Hook(lo, mprog.TCXIngress)
	second, err := Attach(k, lo, ours)
	require.NoError(t, err)
	require.Equal(t, before, k.Hook(lo, mprog.TCXIngress))
	require.Equal(t, info(t, first), info(t, second))

	// Whoever attached without a link keeps what is there.
	require.NoError(t, first.Close())
	require.NoError(t, second.Close())
	require.NoError(t, link.RawAttachProgram(k, link.RawAttachProgramOptions{
		Target: lo, Program: ours, Attach: ebpf.AttachTCXIngress,
	}))
	_, err = Attach(k, lo, ours)
	require.ErrorContains(t, err, "without a link")

	// No other refusal is benign.
	_, err = Attach(k, 99, ours)
	require.ErrorIs(t, err, syscall.ENODEV)
}

func info(t *testing.T, l link.Link) *link.Info {
	i, err := l.Info()
	require.NoError(t, err)
	return i
}
