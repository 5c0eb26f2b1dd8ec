package machine

import (
	"bytes"
	"net/netip"
)

// Packet is what programs get, and may change.
type Packet struct {
	Data []byte // from the link layer's header on, or from the network layer's
	// Context is struct __sk_buff without what are addresses in it, as programs
	// leave it for each other.
	Context [contextSize]byte
	// Outside is the network namespace in which the packet is, nil if nothing is
	// known of it: helpers that ask are not simulated then.
	Outside Outside
	// Sender is the socket that has sent the packet, if that is known; else helpers
	// ask Outside.
	Sender *Socket
	// Assigned is the socket that is to get the packet (bpf_sk_assign), nil: the one that
	// it is for.
	Assigned *Socket
	// Task returns who is on the processor, nil if that is not known.
	Task func() *Task
	// Redirect is where the last program wants the packet to go.
	Redirect Redirect
	// Clones are what bpf_clone_redirect sent, in order.
	Clones []Clone
	// Network and Transport are where in Data the headers of these layers begin.
	// Transport is 0 where nobody has looked for it.
	Network, Transport int
	// Ingress says that the packet is on its way in (skb->tc_at_ingress).
	Ingress bool
	// Egress is the device by which a program in a map of devices is asked to send it.
	Egress uint32

	pulled         []byte   // the link layer's header, if it was taken off
	fragments      [][]byte // of XDP, behind Data
	buffer         []byte   // what Data is a part of, if it has been moved
	at             int      // where in it
	tail           int      // how many bytes its end has grown
	meta           int      // how many bytes before Data are metadata
	skb            skb
	mark, priority func() uint32     // not asked yet; nil: they are in Context
	local          map[uint32][]byte // of maps that have a value for each cgroup
}

// Redirect is what bpf_redirect and its relatives were told.
type Redirect struct {
	Ifindex   uint32
	Ingress   bool       // to arrive there, and not to be sent (BPF_F_INGRESS)
	Peer      bool       // by bpf_redirect_peer: to arrive at the device's peer
	Egress    bool       // and there to be sent (BPF_F_EGRESS)
	Neighbour bool       // by bpf_redirect_neigh: link layer's addresses are to be looked up
	NextHop   netip.Addr // those of this neighbour, if it is valid
	CPU       bool       // by bpf_redirect_map: to go on at a CPU
	Program   uint32     // the id of one that has to let it pass there, 0: none
	Broadcast bool       // to all of these devices
	Several   []Outlet
	Exclude   bool // but not back to the one where the packet is
}

// Clone is a copy of a packet that is to be sent.
type Clone struct {
	*Packet
	Ifindex uint32
	Ingress bool // to arrive there, and not to be sent
}

// clone copies the packet, with all that goes with it.
func (p *Packet) clone() *Packet {
	c := *p
	c.Data, c.Clones, c.Redirect, c.buffer = bytes.Clone(p.Data), nil, Redirect{}, nil
	if p.skb.tunnel != nil {
		t := *p.skb.tunnel
		c.skb.tunnel = &t
	}
	return &c
}

// skb is what struct sk_buff has and programs do not see.
type skb struct {
	encapsulated bool
	tcp          bool // it is to be cut into segments of TCP (SKB_GSO_TCPV4, SKB_GSO_TCPV6)
	checksum     checksumState
	hash         bool // skb->hash is there
	linkHeader   int  // skb->mac_len, 0: not said; VLANs' tags are the last of it
	tunnel       *tunnel
}

const (
	ethernetHeader = 14
	minEthertype   = 0x600 // ETH_P_802_3_MIN; below it is a length
	ethP8023       = 0x0001
	ethP8022       = 0x0004
	ethIP          = 0x0800
	ethIPv6        = 0x86dd
	ethVLAN        = 0x8100
	ethVLANOuter   = 0x88a8
)

// NewPacket makes a packet of a frame, on a device.
func NewPacket(frame []byte, ifindex uint32) *Packet {
	p := &Packet{Data: frame}
	p.set(skbLen, uint32(len(frame)))
	p.set(SKBWireLen, uint32(len(frame)))
	if len(frame) >= ethernetHeader {
		p.Network = ethernetHeader
		p.setProtocol(ethertype(frame[ethernetHeader-2:]))
	}
	p.On(ifindex)
	return p
}

// ethertype is what a frame is, of which a length comes first in older ones.
func ethertype(p []byte) uint16 {
	switch t := uint16(p[0])<<8 | uint16(p[1]); {
	case t >= minEthertype:
		return t
	case len(p) >= 4 && p[2] == 0xff && p[3] == 0xff:
		return ethP8023
	}
	return ethP8022
}

// Short reports whether an IP packet is shorter than its header.
func (p *Packet) Short() bool {
	n := len(p.Data) - p.Network
	return p.Protocol() == ethIP && n < ipv4Header || p.Protocol() == ethIPv6 && n < ipv6Header
}

// Pull takes the link layer's header off.
func (p *Packet) Pull() {
	n := min(ethernetHeader, len(p.Data))
	p.pulled, p.Data = p.Data[:n:n], p.Data[n:]
	p.Network -= n
	p.set(skbLen, uint32(len(p.Data)))
}

// On says which device has the packet.
func (p *Packet) On(ifindex uint32) { p.set(skbIfindex, ifindex) }

// ToLoopback says for whom the packet is if lo has it, whose address is zero.
func (p *Packet) ToLoopback() {
	if len(p.Data) < ethernetHeader {
		return
	}
	kind := uint32(3) // PACKET_OTHERHOST
	switch to := [6]byte(p.Data[:6]); {
	case to == [6]byte{}:
		kind = 0 // PACKET_HOST
	case to == [6]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}:
		kind = 1 // PACKET_BROADCAST
	case to[0]&1 != 0:
		kind = 2 // PACKET_MULTICAST
	}
	p.set(skbPktType, kind)
}

// Arrived says that the packet arrived at a device, and as what: PACKET_HOST and
// so on.
func (p *Packet) Arrived(ifindex uint32, kind uint32) {
	p.On(ifindex)
	p.set(skbIngress, ifindex)
	p.set(skbPktType, kind)
}

func (p *Packet) set(field int, v uint32) { native.PutUint32(p.Context[field:], v) }

func (p *Packet) get(field int) uint32 { return native.Uint32(p.Context[field:]) }

// Protocol returns the ethertype, in the machine's order of bytes.
func (p *Packet) Protocol() uint16 { return swap16(uint16(p.get(skbProtocol))) }

func (p *Packet) setProtocol(t uint16) { p.set(skbProtocol, uint32(swap16(t))) }

// swap16 turns a number in the network's order of bytes into one of the machine.
func swap16(v uint16) uint16 {
	var p [2]byte
	native.PutUint16(p[:], v)
	return uint16(p[0])<<8 | uint16(p[1])
}
