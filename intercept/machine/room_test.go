package machine

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// What segments become when there is room for more headers, or for less, as
// bpf_skb_net_grow and bpf_skb_net_shrink of net/core/filter.c have it; test runs of a
// kernel know no segments of TCP.
func TestSegmentsOfPacketsWithRoom(t *testing.T) {
	for _, tc := range []struct {
		name  string
		tcp   bool
		n     int64
		mode  uint32
		flags uint64
		errno int
		size  uint32
		count uint32
	}{
		{"more headers, smaller segments", true, 20, 1, roomEncapIPv4, 0, 1428, 0},
		{"of the same size", true, 20, 1, roomEncapIPv4 | roomFixedGSO, 0, 1448, 0},
		{"less headers, larger segments", true, -8, 0, 0, 0, 1456, 0},
		{"less, of the same size", true, -8, 0, roomFixedGSO, 0, 1448, 0},
		{"no room for a header", true, 5000, 1, 0, fault, 1448, 3},
		{"of no TCP", false, 20, 1, 0, notSupported, 1448, 3},
		{"less, of no TCP", false, -8, 0, 0, notSupported, 1448, 3},
	} {
		t.Run(tc.name, func(t *testing.T) {
			frame := make([]byte, 4400)
			frame[12], frame[14] = 8, 0x45
			p := NewPacket(frame, 1)
			p.Offloaded(Offload{Pieces: 3, Size: 1448, TCP: tc.tcp, Partial: true})
			require.Equal(t, tc.errno, p.adjustRoom(tc.n, tc.mode, tc.flags))
			require.Equal(t, tc.size, p.gso())
			require.Equal(t, tc.count, p.get(skbGSOSegs))
		})
	}
}
