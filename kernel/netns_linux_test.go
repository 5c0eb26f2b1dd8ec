package kernel

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nkconform/nkconform/mprog"
)

func TestMoveDevice(t *testing.T) {
	k := newKernel(t)
	a, _, err := k.AddDevice(mprog.DeviceSpec{Kind: mprog.AnyDevice, Name: "d0"})
	if err != nil {
		skipOrFail(t, err, mprog.ErrUnsupported)
	}
	blue, err := k.NewNetns()
	require.NoError(t, err)
	moved, err := k.MoveDevice(a, blue)
	require.NoError(t, err)
	assert.Equal(t, a, moved, "a free ifindex is kept")

	_, err = k.MoveDevice(a, blue)
	assert.ErrorIs(t, err, mprog.ENODEV)
	_, err = k.MoveDevice(0, blue)
	assert.ErrorIs(t, err, mprog.ENODEV)
	_, err = k.MoveDevice(loopback, blue)
	assert.ErrorIs(t, err, mprog.EINVAL)
	_, err = k.MoveDevice(loopback, blue+1)
	assert.ErrorContains(t, err, "no network namespace")
}

// The hooks of a pair are where its primary device is, and run wherever the
// peer is.
func TestPeerInOtherNetns(t *testing.T) {
	expediteRCU(t)
	k := newKernel(t, mprog.FeatureNetkit)
	nk, peer, err := k.AddDevice(mprog.DeviceSpec{Kind: mprog.Netkit, Name: "nk0", Peer: "nk1"})
	require.NoError(t, err)
	a := loadProg(t, k, "a")
	attach := mprog.AttachRequest{TargetIfindex: nk, AttachType: mprog.NetkitPrimary, AttachFD: a}
	require.NoError(t, k.ProgAttach(attach))
	blue, err := k.NewNetns()
	require.NoError(t, err)
	_, err = k.MoveDevice(peer, blue)
	require.NoError(t, err)

	q, err := k.NewProcess(mprog.ProcessSpec{Netns: blue})
	require.NoError(t, err)
	assert.ErrorIs(t, q.ProgAttach(attach), mprog.ENODEV)
	attach.TargetIfindex = peer
	assert.ErrorIs(t, q.ProgAttach(attach), mprog.EACCES)
	d, err := k.Transmit(nk)
	require.NoError(t, err)
	assert.Equal(t, mprog.Delivery{Delivered: true, Ran: []uint32{progInfo(t, k.Process, a).ID}}, d)
	require.NoError(t, k.DeleteDevice(nk))
	_, err = k.Transmit(nk)
	assert.ErrorIs(t, err, mprog.ENODEV)
}

func TestSingleNetkit(t *testing.T) {
	k := newKernel(t, mprog.FeatureSingle)
	spec := mprog.DeviceSpec{Kind: mprog.Netkit, Name: "nk0"}
	nk, peer, err := k.AddDevice(spec)
	require.NoError(t, err)
	assert.Zero(t, peer)
	err = k.ProgAttach(mprog.AttachRequest{
		TargetIfindex: nk, AttachType: mprog.NetkitPrimary, AttachFD: loadProg(t, k, "a"),
	})
	assert.ErrorIs(t, err, mprog.EOPNOTSUPP)
	_, err = k.Transmit(nk)
	assert.ErrorIs(t, err, mprog.ErrUnsupported)
	_, _, err = k.AddDevice(spec)
	assert.ErrorIs(t, err, mprog.EEXIST)
	spec.Name, spec.Policy = "nk1", mprog.Blackhole
	_, _, err = k.AddDevice(spec)
	assert.ErrorIs(t, err, mprog.EOPNOTSUPP)
	assert.NotErrorIs(t, err, mprog.ErrUnsupported)
}
