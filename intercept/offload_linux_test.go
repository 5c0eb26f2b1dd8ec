//go:build amd64 || arm64

package intercept

import (
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// packetOf is a frame with an IP header, and behind it one of TCP or UDP.
func packetOf(version int, protocol byte, payload int) []byte {
	frame := make([]byte, linkHeader)
	if version == 4 {
		binary.BigEndian.PutUint16(frame[12:], unix.ETH_P_IP)
		ip := make([]byte, 20)
		ip[0], ip[9] = 0x45, protocol
		frame = append(frame, ip...)
	} else {
		binary.BigEndian.PutUint16(frame[12:], unix.ETH_P_IPV6)
		ip := make([]byte, 40)
		ip[0], ip[6] = 0x60, protocol
		frame = append(frame, ip...)
	}
	transport := make([]byte, 20)
	transport[12] = 8 << 4 // 32 bytes, of which the last 12 are payload here
	return append(frame, append(transport, make([]byte, payload)...)...)
}

// vnet is a struct virtio_net_hdr.
func vnet(flags, kind byte, header, size, start, offset uint16) []byte {
	p := []byte{flags, kind}
	for _, v := range []uint16{header, size, start, offset} {
		p = binary.NativeEndian.AppendUint16(p, v)
	}
	return p
}

func TestMend(t *testing.T) {
	for _, tc := range []struct {
		name          string
		frame         []byte
		before, after []byte
		size          uint16 // of pieces, where that is not what comes of it
		whole         bool
	}{
		{"no offload", packetOf(4, unix.IPPROTO_TCP, 40), vnet(0, 0, 0, 0, 0, 0), vnet(0, 0, 0, 0, 0, 0), 0, false},
		{"from IPv4 to IPv6", packetOf(6, unix.IPPROTO_TCP, 4000), vnet(vnetNeedsSum, vnetTCPv4, 66, 1448, 34, 16),
			vnet(vnetNeedsSum, vnetTCPv6, 54+32, 1448, 54, 16), 0, false},
		{"from IPv6 to IPv4, congestion", packetOf(4, unix.IPPROTO_TCP, 4000), vnet(vnetNeedsSum, vnetTCPv6|vnetCongestion, 86, 1428, 54, 16),
			vnet(vnetNeedsSum, vnetTCPv4|vnetCongestion, 34+32, 1428, 34, 16), 0, false},
		{"UDP", packetOf(4, unix.IPPROTO_UDP, 10), vnet(vnetNeedsSum, 0, 42, 0, 14, 6), vnet(vnetNeedsSum, 0, 42, 0, 34, 6), 0, false},
		{"in a tunnel", packetOf(4, unix.IPPROTO_IPIP, 40), vnet(vnetNeedsSum, 0, 54, 0, 34, 16), vnet(0, 0, 0, 0, 0, 0), 0, false},
		{"segments in a tunnel of UDP", packetOf(4, unix.IPPROTO_UDP, 4000), vnet(vnetNeedsSum, vnetTCPv4, 66, 1448, 54, 16), vnet(0, 0, 0, 0, 0, 0), 1428, true},
		{"no segments any more", packetOf(4, unix.IPPROTO_TCP, 40), vnet(vnetNeedsSum, vnetTCPv4, 66, 1448, 14, 16), vnet(vnetNeedsSum, 0, 66, 0, 34, 16), 0, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			growth := 20
			if start := int(native.Uint16(tc.after[vnetStart:])); start != 0 {
				growth = start - int(native.Uint16(tc.before[vnetStart:]))
			}
			size := native.Uint16(tc.after[vnetSize:])
			require.Equal(t, tc.whole, mend(tc.before, tc.frame, growth, max(size, tc.size)))
			require.Equal(t, tc.after, tc.before)
		})
	}
}

// A checksum that has been made is one that a receiver finds right: with it, all adds
// up to 0xffff.
func TestFinish(t *testing.T) {
	for _, payload := range []int{1, 2, 61} {
		frame := packetOf(4, unix.IPPROTO_UDP, payload)
		for i := range frame[34:] {
			frame[34+i] = byte(i*37 + payload)
		}
		frame[40], frame[41] = 0, 0
		finish(frame, 34, 6)
		var sum uint32
		p := append([]byte(nil), frame[34:]...)
		if len(p)%2 != 0 {
			p = append(p, 0)
		}
		for ; len(p) > 0; p = p[2:] {
			sum += uint32(binary.BigEndian.Uint16(p))
		}
		for sum > 0xffff {
			sum = sum>>16 + sum&0xffff
		}
		require.EqualValues(t, 0xffff, sum, payload)
	}
	finish(make([]byte, 20), 34, 6) // out of the frame: nothing
}
