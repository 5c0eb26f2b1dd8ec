package kernel

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/nkconform/nkconform/mprog"
)

// The socket of a request never has the number of a closed fd that the request names.
func TestRequestOfClosedFD(t *testing.T) {
	k := newKernel(t, mprog.FeatureClsact)
	require.NoError(t, k.QdiscAdd(mprog.QdiscRequest{Ifindex: loopback, Kind: mprog.Clsact, Flags: mprog.NLCreate}))
	progs := []uint32{loadProg(t, k, "a"), loadProg(t, k, "b"), loadProg(t, k, "c")}
	var fillers []int // of all numbers below those that are handed out
	require.NoError(t, k.Run(func() {
		for {
			fd, err := unix.Open("/dev/null", unix.O_RDONLY|unix.O_CLOEXEC, 0)
			if err != nil || fd >= k.fds.first {
				unix.Close(fd)
				return
			}
			fillers = append(fillers, fd)
		}
	}))
	defer k.Run(func() {
		for _, fd := range fillers {
			unix.Close(fd)
		}
	})
	for _, fd := range progs {
		require.NoError(t, k.Close(fd))
		err := k.FilterAdd(mprog.FilterRequest{
			Hook: mprog.Hook{Ifindex: loopback, Type: mprog.TCXIngress}, Kind: mprog.BPFKind, Protocol: mprog.AnyProtocol,
			Priority: 1, Flags: mprog.NLCreate, FD: fd, BPFFlags: mprog.DirectAction,
		})
		assert.ErrorIs(t, err, mprog.EBADF)
	}
}
