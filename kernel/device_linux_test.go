package kernel

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nkconform/nkconform/mprog"
)

func TestDevices(t *testing.T) {
	for _, kind := range []mprog.DeviceKind{mprog.Netkit, mprog.Veth, mprog.Dummy} {
		t.Run(string(kind), func(t *testing.T) {
			k := newKernel(t, mprog.Feature(kind))
			spec := mprog.DeviceSpec{Kind: kind, Name: "d0", Peer: "d1"}
			ifindex, peer, err := k.AddDevice(spec)
			require.NoError(t, err)
			assert.NotZero(t, ifindex)
			assert.NotEqual(t, ifindex, peer)
			assert.Equal(t, kind == mprog.Dummy, peer == 0)

			_, _, err = k.AddDevice(spec)
			assert.ErrorIs(t, err, mprog.EEXIST)
			if peer != 0 {
				require.NoError(t, k.DeleteDevice(peer), "either end takes the other along")
			} else {
				require.NoError(t, k.DeleteDevice(ifindex))
			}
			assert.ErrorIs(t, k.DeleteDevice(ifindex), mprog.ENODEV)
		})
	}
}

func TestDeviceErrors(t *testing.T) {
	k := newKernel(t)
	_, _, err := k.AddDevice(mprog.DeviceSpec{Kind: "teapot", Name: "d0"})
	assert.ErrorIs(t, err, mprog.ErrUnsupported)
	assert.ErrorIs(t, k.DeleteDevice(0), mprog.ENODEV)
	assert.ErrorIs(t, k.DeleteDevice(9999), mprog.ENODEV)
}

// What the backend must get right about netkit: both hooks, links on either
// end, and the revision that outlives the last program.
func TestNetkit(t *testing.T) {
	expediteRCU(t)
	k := newKernel(t, mprog.FeatureNetkit)
	primary, peer, err := k.AddDevice(mprog.DeviceSpec{Kind: mprog.Netkit, Name: "nk0", Peer: "nk1"})
	require.NoError(t, err)
	a := loadProg(t, k, "a")
	for attachType, ifindex := range map[mprog.AttachType]uint32{
		mprog.NetkitPrimary: primary, mprog.NetkitPeer: peer,
	} {
		t.Run(attachType.String(), func(t *testing.T) {
			link, err := k.LinkCreate(mprog.LinkCreateRequest{
				TargetIfindex: primary, AttachType: attachType, ProgFD: a,
			})
			require.NoError(t, err)
			info, err := k.ObjectInfo(link)
			require.NoError(t, err)
			assert.Equal(t, mprog.ObjectInfo{
				Kind: mprog.LinkObject, ID: info.ID, LinkType: mprog.NetkitLink,
				ProgID: progInfo(t, k.Process, a).ID, Ifindex: ifindex, AttachType: attachType,
			}, info)
			require.NoError(t, k.Close(link))

			attach := mprog.AttachRequest{
				TargetIfindex: primary, AttachType: attachType, AttachFD: a, ExpectedRevision: 1,
			}
			assert.ErrorIs(t, k.ProgAttach(attach), mprog.ESTALE)
			attach.ExpectedRevision = 3
			require.NoError(t, k.ProgAttach(attach))

			attach.TargetIfindex = peer
			assert.ErrorIs(t, k.ProgAttach(attach), mprog.EACCES)
			attach.TargetIfindex = loopback
			assert.ErrorIs(t, k.ProgAttach(attach), mprog.ENXIO)
		})
	}
}
