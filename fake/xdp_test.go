package fake

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nkconform/nkconform/mprog"
)

// TestXDPOfTheDriverBesideGeneric is what Debian's kernels answer on lo, whose driver has
// no XDP: 6.1.192, 6.12.113 and .118, 6.16.12, 6.17.13, 6.18.15, 7.0.13, 7.1.13, 7.2.13
// and 7.3.4, and 6.18.44.
func TestXDPOfTheDriverBesideGeneric(t *testing.T) {
	for release, want := range map[string]mprog.Errno{
		"6.1": mprog.EOPNOTSUPP, "6.12": mprog.EOPNOTSUPP, "6.16": mprog.EEXIST, "6.17": mprog.EEXIST, "6.18": mprog.EEXIST,
		"7.0": mprog.EEXIST, "7.1": mprog.EEXIST, "7.2": mprog.EOPNOTSUPP, "7.3": mprog.EOPNOTSUPP,
	} {
		k := New(Linux(release))
		x, err := k.LoadProg(mprog.ProgSpec{Name: "x", Type: mprog.XDP})
		require.NoError(t, err)
		y, err := k.LoadProg(mprog.ProgSpec{Name: "y", Type: mprog.XDP})
		require.NoError(t, err)
		const lo = 1
		request := func(fd uint32, flags mprog.Flags) mprog.XDPRequest {
			return mprog.XDPRequest{Ifindex: lo, FD: int32(fd), Flags: flags}
		}
		require.ErrorIs(t, k.XDPSet(request(x, xdpDriver)), mprog.EOPNOTSUPP, release)
		require.NoError(t, k.XDPSet(request(x, xdpGeneric)), release)
		for _, fd := range []uint32{x, y} {
			require.ErrorIs(t, k.XDPSet(request(fd, xdpDriver)), want, release)
			require.ErrorIs(t, k.XDPSet(request(fd, xdpDriver|xdpAbsent)), want, release)
		}
		_, err = k.LinkCreate(mprog.LinkCreateRequest{TargetIfindex: lo, AttachType: mprog.XDPDevice, ProgFD: y, Flags: xdpDriver})
		require.ErrorIs(t, err, want, release)
		require.ErrorIs(t, k.XDPSet(request(y, xdpHardware)), mprog.EOPNOTSUPP, release)
		require.NoError(t, k.XDPSet(mprog.XDPRequest{Ifindex: lo, FD: -1, Flags: xdpDriver}), release)
		require.NotZero(t, k.XDP(lo).ProgID, release)
	}
}
