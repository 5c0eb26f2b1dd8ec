package machine

// Limits of a packet's memory.
const (
	headroom    = 256                     // XDP_PACKET_HEADROOM
	frameStruct = 40                      // sizeof(struct xdp_frame), at the front of it
	sharedInfo  = 320                     // struct skb_shared_info, behind
	pageSize    = 4096                    //
	maxSKB      = 4*pageSize - sharedInfo // SKB_MAX_ALLOC
	maxMeta     = 255                     // what skb_shared_info.meta_len can be
)

// place has the packet in memory of its own with room before it, zeros at first,
// and behind it.
func (p *Packet) place(before, behind int) {
	n := len(p.Data)
	if p.placed() {
		if p.at-p.meta >= before && p.at+n+behind <= len(p.buffer) {
			return
		}
	} else {
		p.meta = 0
	}
	before = max(before, headroom-p.meta) + p.meta
	buffer := make([]byte, before+n+max(behind, pageSize-sharedInfo-headroom-n, 0))
	copy(buffer[before-p.meta:], p.Metadata())
	copy(buffer[before:], p.Data)
	p.buffer, p.at, p.Data = buffer, before, buffer[before:before+n]
}

// placed reports whether Data is where it was put.
func (p *Packet) placed() bool {
	return p.buffer != nil && len(p.Data) > 0 && p.at < len(p.buffer) && &p.buffer[p.at] == &p.Data[0]
}

// Metadata is what an XDP program has put before the packet.
func (p *Packet) Metadata() []byte {
	if p.meta == 0 || !p.placed() {
		return nil
	}
	return p.buffer[p.at-p.meta : p.at]
}

// SetMetadata puts bytes there.
func (p *Packet) SetMetadata(metadata []byte) {
	if len(metadata) == 0 {
		return
	}
	p.meta = 0
	p.place(len(metadata), 0)
	p.meta = len(metadata)
	copy(p.buffer[p.at-p.meta:], metadata)
}

// push makes room in front of the packet, or takes it away.
func (p *Packet) push(n int) {
	if n > 0 {
		p.place(n, 0)
	}
	if p.placed() {
		p.at -= n
		p.Data = p.buffer[p.at : p.at+n+len(p.Data)]
	} else {
		p.Data = p.Data[-n:]
	}
	p.set(skbLen, uint32(len(p.Data)))
}

// insert makes room for n bytes of zeros within the packet.
func (p *Packet) insert(at, n int) {
	p.push(n)
	copy(p.Data[:at], p.Data[n:n+at])
	clear(p.Data[at : at+n])
}

// remove takes n bytes out of the packet.
func (p *Packet) remove(at, n int) {
	copy(p.Data[n:n+at], p.Data[:at])
	p.push(-n)
}

// resize cuts the packet, or has zeros behind it.
func (p *Packet) resize(n int) {
	old := len(p.Data)
	p.tail += n - old
	if n > old {
		p.place(0, n-old)
		p.Data = p.buffer[p.at : p.at+n]
		clear(p.Data[old:])
	}
	p.Data = p.Data[:n]
	p.set(skbLen, uint32(n))
}

// TailGrowth is by how many bytes the packet's end has grown since it was last asked for.
func (p *Packet) TailGrowth() (n int) {
	n, p.tail = p.tail, 0
	return n
}
