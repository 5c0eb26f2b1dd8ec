package kernel

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nkconform/nkconform/mprog"
)

func TestEndNetns(t *testing.T) {
	expediteRCU(t)
	for _, c := range []struct {
		name   string
		inside int // processes that live there
		exits  int // and end
		gone   bool
	}{
		{"nobody inside", 0, 0, true},
		{"a process inside", 1, 0, false},
		{"the last one exits", 2, 2, true},
		{"one of two exits", 2, 1, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			k := newKernel(t, mprog.FeatureTCX)
			d0, _, err := k.AddDevice(mprog.DeviceSpec{Kind: mprog.AnyDevice, Name: "d0"})
			if err != nil {
				skipOrFail(t, err, mprog.ErrUnsupported)
			}
			files := openFiles(t)
			link, err := k.LinkCreate(mprog.LinkCreateRequest{
				ProgFD: loadProg(t, k, "a"), TargetIfindex: d0, AttachType: mprog.TCXIngress,
			})
			require.NoError(t, err)
			blue, err := k.NewNetns()
			require.NoError(t, err)
			_, err = k.MoveDevice(d0, blue)
			require.NoError(t, err)
			var inside []mprog.Process
			for range c.inside {
				p, err := k.NewProcess(mprog.ProcessSpec{Netns: blue})
				require.NoError(t, err)
				inside = append(inside, p)
			}
			require.NoError(t, k.EndNetns(blue))
			for _, p := range inside[:c.exits] {
				require.NoError(t, p.Exit())
			}
			info, err := k.ObjectInfo(link)
			require.NoError(t, err)
			assert.Equal(t, c.gone, info.Ifindex == 0, "ifindex %d", info.Ifindex)
			assert.ErrorIs(t, k.EndNetns(blue), mprog.EBADF)
			_, err = k.NewProcess(mprog.ProcessSpec{Netns: blue})
			assert.ErrorIs(t, err, mprog.EBADF)
			again, _, err := k.AddDevice(mprog.DeviceSpec{Kind: mprog.AnyDevice, Name: "d1"})
			require.NoError(t, err)
			_, err = k.MoveDevice(again, blue)
			assert.ErrorIs(t, err, mprog.EBADF)
			require.NoError(t, k.Renew())
			assert.Equal(t, files, openFiles(t))
		})
	}
}

func TestEndNoNetns(t *testing.T) {
	k := newKernel(t)
	assert.ErrorIs(t, k.EndNetns(1), mprog.EINVAL)
	assert.ErrorIs(t, k.EndNetns(0), mprog.ErrUnsupported)
}

// The descriptors by which a namespace was held and its end seen are closed, and
// their numbers out of nobody's reach.
func TestEndNetnsClosesDescriptors(t *testing.T) {
	k := newKernel(t)
	count := func() (open, hidden int) {
		require.NoError(t, k.Run(func() {
			fds, _ := listFDs()
			open, hidden = len(fds), len(k.fds.inherited)
		}))
		return open, hidden
	}
	openBefore, hiddenBefore := count()
	for range 3 {
		blue, err := k.NewNetns()
		require.NoError(t, err)
		require.NoError(t, k.EndNetns(blue))
	}
	open, hidden := count()
	assert.Equal(t, openBefore, open)
	assert.Equal(t, hiddenBefore, hidden)
}
