package machine

import (
	"fmt"
	"net/netip"
)

// What the helpers return for the program to return.
const (
	tcShot      = 2
	tcRedirect  = 7
	xdpAborted  = 0
	xdpRedirect = 4
)

// Flags of the helpers that redirect.
const (
	flagIngress   = 1 << 0 // BPF_F_INGRESS
	flagEgress    = 1 << 1 // BPF_F_EGRESS
	flagBroadcast = 1 << 3 // BPF_F_BROADCAST
	flagExclude   = 1 << 4 // BPF_F_EXCLUDE_INGRESS
)

func (m *run) redirect() (uint64, error) {
	ifindex, flags := uint32(m.r[1]), m.r[2]
	switch {
	case m.program.kind == XDP && flags != 0:
		return xdpAborted, nil
	case m.program.kind == XDP:
		m.packet.Redirect = Redirect{Ifindex: ifindex}
		return xdpRedirect, nil
	case flags&^flagIngress != 0:
		return tcShot, nil
	}
	m.packet.Redirect = Redirect{Ifindex: ifindex, Ingress: flags&flagIngress != 0}
	return tcRedirect, nil
}

// redirectPeer takes BPF_F_EGRESS where the release knows it.
func (m *run) redirectPeer() (uint64, error) {
	flags := m.r[2]
	if flags != 0 && (flags != flagEgress || !m.world.Facts().PeerEgress) {
		return tcShot, nil
	}
	m.packet.Redirect = Redirect{Ifindex: uint32(m.r[1]), Peer: true, Egress: flags != 0}
	return tcRedirect, nil
}

const neighbourSize = 20 // sizeof(struct bpf_redir_neigh)

func (m *run) redirectNeighbour() (uint64, error) {
	size := uint32(m.r[3])
	if size != 0 && size < neighbourSize || m.r[4] != 0 {
		return tcShot, nil
	}
	r := Redirect{Ifindex: uint32(m.r[1]), Neighbour: true}
	if size != 0 {
		p, err := m.bytes(m.r[2], int(size))
		if err != nil {
			return 0, err
		}
		switch native.Uint32(p) {
		case familyIPv4:
			r.NextHop = netip.AddrFrom4([4]byte(p[4:8]))
		case familyIPv6:
			r.NextHop = netip.AddrFrom16([16]byte(p[4:20]))
		}
	}
	m.packet.Redirect = r
	return tcRedirect, nil
}

// Families of addresses.
const (
	familyIPv4 = 2
	familyIPv6 = 10
)

// redirectMap is bpf_redirect_map of a map of devices, or of CPUs. Where there is none, it
// returns what the flags' low bits say.
func (m *run) redirectMap() (uint64, error) {
	of, err := m.mapAt(m.r[1])
	if err != nil {
		return 0, err
	}
	flags, known := m.r[3], uint64(3)
	devices, ofDevices := of.Devices()
	if ofDevices {
		known |= flagBroadcast | flagExclude
	}
	if flags&^known != 0 {
		return xdpAborted, nil
	}
	if flags&flagBroadcast != 0 {
		m.packet.Redirect = Redirect{Broadcast: true, Several: devices, Exclude: flags&flagExclude != 0}
		return xdpRedirect, nil
	}
	index := uint32(m.r[2])
	to, ok := of.Device(index)
	cpu, isCPU := of.CPU(index)
	switch {
	case ok:
		m.packet.Redirect = Redirect{Ifindex: to.Ifindex, Program: to.Program}
	case isCPU:
		m.packet.Redirect = Redirect{CPU: true, Program: cpu.Program}
	case of.Held(index):
		return 0, fmt.Errorf("a packet for a socket of XDP: %w", ErrUnknown)
	default:
		return flags & 3, nil
	}
	return xdpRedirect, nil
}

// cloneRedirect sends a copy.
func (m *run) cloneRedirect() (uint64, error) {
	p, ifindex, flags := m.packet, uint32(m.r[2]), m.r[3]
	if flags&^flagIngress != 0 {
		return failed(invalid), nil
	}
	outside := m.packet.Outside
	if outside == nil {
		return 0, ErrUnknown
	}
	d, ok := outside.Device(ifindex)
	switch {
	case !ok:
		return failed(invalid), nil
	case len(p.Data) == 0, p.Network <= 0 && d.Header > 0:
		return failed(outOfRange), nil
	}
	p.Clones = append(p.Clones, Clone{Packet: p.clone(), Ifindex: ifindex, Ingress: flags != 0})
	return 0, nil
}

// Answers of bpf_check_mtu.
const (
	mtuFits      = 0 // BPF_MTU_CHK_RET_SUCCESS
	mtuNeedsFrag = 1 // BPF_MTU_CHK_RET_FRAG_NEEDED
	flagSegments = 1 // BPF_MTU_CHK_SEGS
)

// checkMTU is bpf_check_mtu: whether the packet, or one of the length that r3
// points to, may be sent by a device.
func (m *run) checkMTU() (uint64, error) {
	length, err := m.bytes(m.r[3], 4)
	if err != nil {
		return 0, err
	}
	ifindex, more, flags := uint32(m.r[2]), int32(m.r[4]), m.r[5]
	segments := flags == flagSegments && m.program.kind == SKB
	want := int32(native.Uint32(length))
	if flags != 0 && !segments || segments && (more != 0 || want != 0) {
		return failed(invalid), nil
	}
	outside := m.packet.Outside
	if outside == nil {
		return 0, ErrUnknown
	}
	if ifindex == 0 {
		ifindex = m.packet.get(skbIfindex)
	}
	d, ok := outside.Device(ifindex)
	if !ok {
		return failed(noDevice), nil
	}
	n := int32(len(m.packet.Data))
	if want != 0 {
		n = want + int32(d.Header)
	}
	native.PutUint32(length, d.MTU)
	if n+more <= int32(d.MTU+d.Header) {
		return mtuFits, nil
	}
	if m.program.kind == SKB && m.packet.gso() != 0 {
		if segments {
			return 0, ErrUnknown
		}
		return mtuFits, nil
	}
	return mtuNeedsFrag, nil
}
