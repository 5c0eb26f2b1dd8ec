//go:build amd64 || arm64

package intercept

import (
	"encoding/binary"

	"golang.org/x/sys/unix"

	"github.com/nkconform/nkconform/intercept/machine"
)

// Where struct virtio_net_hdr has its fields, and what they say
// (include/uapi/linux/virtio_net.h).
const (
	vnetFlags      = 0
	vnetType       = 1
	vnetHeaderLen  = 2
	vnetSize       = 4
	vnetStart      = 6
	vnetOffset     = 8
	vnetNeedsSum   = 1    // VIRTIO_NET_HDR_F_NEEDS_CSUM
	vnetTCPv4      = 1    // VIRTIO_NET_HDR_GSO_TCPV4
	vnetTCPv6      = 4    // VIRTIO_NET_HDR_GSO_TCPV6
	vnetCongestion = 0x80 // VIRTIO_NET_HDR_GSO_ECN
)

// describe tells a packet what its struct virtio_net_hdr says.
func describe(vnet []byte, packet *machine.Packet) {
	size, header := uint32(native.Uint16(vnet[vnetSize:])), uint32(native.Uint16(vnet[vnetHeaderLen:]))
	pieces := uint32(0)
	if length := uint32(len(packet.Data)); size > 0 && length > header {
		pieces = (length - header + size - 1) / size
	}
	kind := vnet[vnetType] &^ vnetCongestion
	packet.Offloaded(machine.Offload{
		Pieces: pieces, Size: size, Header: header, TCP: kind == vnetTCPv4 || kind == vnetTCPv6, Partial: vnet[vnetFlags]&vnetNeedsSum != 0,
	})
}

// mend makes a journey's struct virtio_net_hdr right for what programs have made of the
// frame. It reports whether the frame was to be cut into pieces, and cannot be any more.
func (j *journey) mend() (whole bool) {
	growth, size := len(j.Data)-j.length, j.PieceSize()
	if growth == 0 && size == native.Uint16(j.vnet[vnetSize:]) {
		return j.whole
	}
	j.length = len(j.Data)
	j.whole = mend(j.vnet, j.Data, growth-j.TailGrowth(), size) || j.whole
	return j.whole
}

// mend makes a struct virtio_net_hdr right for a frame that has grown in front by so many
// bytes, and is to be cut into pieces of so many: where its payload begins, and of what
// kind it is. Of one that is in a tunnel now, which the header cannot say, the checksum
// is made instead, and it stays whole.
func mend(vnet, frame []byte, growth int, size uint16) (whole bool) {
	if vnet[vnetFlags]&vnetNeedsSum == 0 {
		clear(vnet)
		return false
	}
	start := int(native.Uint16(vnet[vnetStart:])) + growth
	at, version, protocol := transport(frame)
	if at == 0 || at != start {
		finish(frame, start, int(native.Uint16(vnet[vnetOffset:])))
		clear(vnet)
		return size != 0
	}
	header := at + 8 // UDP's
	if protocol == unix.IPPROTO_TCP && len(frame) > at+12 {
		header = at + int(frame[at+12]>>4)*4
	}
	native.PutUint16(vnet[vnetStart:], uint16(at))
	native.PutUint16(vnet[vnetHeaderLen:], uint16(header))
	native.PutUint16(vnet[vnetSize:], size)
	kind := vnet[vnetType] &^ vnetCongestion
	switch {
	case size == 0:
		vnet[vnetType] = 0
	case kind == vnetTCPv4, kind == vnetTCPv6:
		kind = vnetTCPv4
		if version == 6 {
			kind = vnetTCPv6
		}
		vnet[vnetType] = vnet[vnetType]&vnetCongestion | kind
	}
	return false
}

// finish makes a checksum of what begins somewhere in a frame (skb_checksum_help).
func finish(frame []byte, start, offset int) {
	if start < 0 || offset < 0 || start+offset+2 > len(frame) {
		return
	}
	var sum uint64
	p := frame[start:]
	for ; len(p) >= 2; p = p[2:] {
		sum += uint64(binary.BigEndian.Uint16(p))
	}
	if len(p) > 0 {
		sum += uint64(p[0]) << 8
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	if sum = ^sum & 0xffff; sum == 0 {
		sum = 0xffff // 0 means that there is none
	}
	binary.BigEndian.PutUint16(frame[start+offset:], uint16(sum))
}

// transport finds where the header of TCP or UDP begins in a frame, 0 if there is
// none, or one behind what is not looked through.
func transport(frame []byte) (at, version int, protocol byte) {
	if len(frame) < linkHeader {
		return 0, 0, 0
	}
	kind, at := binary.BigEndian.Uint16(frame[linkHeader-2:]), linkHeader
	for (kind == unix.ETH_P_8021Q || kind == unix.ETH_P_8021AD) && len(frame) >= at+4 {
		kind, at = binary.BigEndian.Uint16(frame[at+2:]), at+4
	}
	switch {
	case kind == unix.ETH_P_IP && len(frame) >= at+20:
		version, protocol = 4, frame[at+9]
		at += int(frame[at]&0xf) * 4
	case kind == unix.ETH_P_IPV6 && len(frame) >= at+40:
		version, protocol = 6, frame[at+6]
		at += 40
	default:
		return 0, 0, 0
	}
	if protocol != unix.IPPROTO_TCP && protocol != unix.IPPROTO_UDP {
		return 0, 0, 0
	}
	return at, version, protocol
}
