package machine

// Reached says that the packet is at the other end of a pair, and for whom it is
// there: PACKET_HOST and so on. It has not been received yet.
func (p *Packet) Reached(ifindex, kind uint32) {
	p.On(ifindex)
	if p.Assigned != nil {
		p.Sender, p.Assigned = nil, nil
	}
	native.PutUint32(p.Context[skbIngress:], 0)
	native.PutUint32(p.Context[skbPktType:], kind)
}

// Received says that a device has received the packet: it came in there, and its
// length on the wire is counted without the link layer's header (eth_type_trans).
func (p *Packet) Received(ifindex uint32) {
	p.On(ifindex)
	native.PutUint32(p.Context[skbIngress:], ifindex)
	native.PutUint32(p.Context[SKBWireLen:], uint32(max(len(p.Data)-ethernetHeader, 0)))
}

// Offload is what a device is to do with a packet.
type Offload struct {
	Pieces, Size uint32 // to cut it into so many, of so many bytes of payload each
	Header       uint32 // which each of them has in front
	TCP          bool   // as segments of TCP
	Partial      bool   // to add to its checksum what is in the payload (CHECKSUM_PARTIAL)
}

// Offloaded says what the device is to do with the packet, whose length on the wire is that
// of all pieces (qdisc_pkt_len_init).
func (p *Packet) Offloaded(o Offload) {
	if o.Pieces > 1 {
		native.PutUint32(p.Context[SKBWireLen:], uint32(len(p.Data))+(o.Pieces-1)*o.Header)
	}
	native.PutUint32(p.Context[skbGSOSegs:], o.Pieces)
	native.PutUint32(p.Context[skbGSOSize:], o.Size)
	p.skb.tcp = o.TCP
	if o.Partial {
		p.skb.checksum = checksumState{kind: checksumPartial}
	}
}

// OnWire is how many bytes the packet has on the wire, and in how many packets there.
func (p *Packet) OnWire() (bytes, packets uint32) {
	return native.Uint32(p.Context[SKBWireLen:]), max(native.Uint32(p.Context[skbGSOSegs:]), 1)
}

// PieceSize is how many bytes of payload each piece is to have, 0: it is not to be cut.
func (p *Packet) PieceSize() uint16 { return uint16(p.gso()) }

// Tag gives the packet a mark and a priority.
func (p *Packet) Tag(mark, priority uint32) {
	p.mark, p.priority = nil, nil
	native.PutUint32(p.Context[SKBMark:], mark)
	native.PutUint32(p.Context[SKBPriority:], priority)
}

// TagLater gives the packet a mark and a priority that are asked for when somebody wants
// to know them.
func (p *Packet) TagLater(mark, priority func() uint32) { p.mark, p.priority = mark, priority }

// TagLike gives the packet the mark and the priority of another one.
func (p *Packet) TagLike(other *Packet) {
	p.Tag(native.Uint32(other.Context[SKBMark:]), native.Uint32(other.Context[SKBPriority:]))
	p.mark, p.priority = other.mark, other.priority
}

// Tags are the packet's mark and priority.
func (p *Packet) Tags() (mark, priority uint32) {
	p.tell(SKBMark, 4)
	p.tell(SKBPriority, 4)
	return native.Uint32(p.Context[SKBMark:]), native.Uint32(p.Context[SKBPriority:])
}

// tell asks for a mark or a priority that is among so many bytes of the context, if nobody
// has yet.
func (p *Packet) tell(field, size int) {
	within := func(at int) bool { return field < at+4 && at < field+size }
	if p.mark != nil && within(SKBMark) {
		p.set(SKBMark, p.mark())
		p.mark = nil
	}
	if p.priority != nil && within(SKBPriority) {
		p.set(SKBPriority, p.priority())
		p.priority = nil
	}
}

// Kind says for whom the packet is: PACKET_HOST and so on.
func (p *Packet) Kind() uint32 { return native.Uint32(p.Context[skbPktType:]) }
