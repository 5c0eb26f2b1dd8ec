package machine

import "math/bits"

// checksumState is what is known of a packet's checksum (skb->ip_summed).
type checksumState struct {
	kind  checksumKind
	level uint8  // how many checksums are right (skb->csum_level)
	sum   uint32 // of all of the packet (skb->csum)
}

type checksumKind uint8

const (
	checksumNone        checksumKind = iota
	checksumUnnecessary              // somebody has looked at it
	checksumComplete                 // the sum is known
	checksumPartial                  // the field has the sum of what is not in the payload, and the device is to add that
)

// Sums of the Internet's kind (RFC 1071) in 32 bits are not folded: carries are
// added at the end.

func addSum(a, b uint32) uint32 {
	s := a + b
	if s < a {
		s++
	}
	return s
}

// foldSum returns a sum's complement in 16 bits.
func foldSum(s uint32) uint16 {
	s = s>>16 + s&0xffff
	return ^uint16(s + s>>16)
}

// sumOf adds up bytes, of which two are a number of the machine's order: a sum in
// another order has its bytes so, too.
func sumOf(p []byte, sum uint32) uint32 {
	wide := uint64(sum)
	for len(p) >= 4 {
		wide += uint64(native.Uint32(p))
		p = p[4:]
	}
	if len(p) > 0 {
		var last [4]byte
		copy(last[:], p)
		wide += uint64(native.Uint32(last[:]))
	}
	wide = wide>>32 + wide&0xffff_ffff
	return addSum(uint32(wide), uint32(wide>>32))
}

// replace keeps a complete sum right when bytes change, at an offset.
func (c *checksumState) replace(at uint32, old, now []byte) {
	if c.kind != checksumComplete {
		return
	}
	turn := -8 * int(at&1) // at an odd one, the bytes of each number are the other way round
	c.sum = addSum(c.sum, ^bits.RotateLeft32(sumOf(old, 0), turn))
	c.sum = addSum(c.sum, bits.RotateLeft32(sumOf(now, 0), turn))
}

// forget makes a complete sum of no use, as the packet has got another length.
func (c *checksumState) forget() {
	if c.kind == checksumComplete {
		c.kind = checksumNone
	}
}

// reset has the checksum looked at again.
func (c *checksumState) reset() {
	if c.kind == checksumUnnecessary {
		*c = checksumState{}
	}
}

// Flags of bpf_l3_csum_replace and bpf_l4_csum_replace.
const (
	checksumField    = 0xf    // BPF_F_HDR_FIELD_MASK
	checksumPseudo   = 1 << 4 // BPF_F_PSEUDO_HDR
	checksumMayBe0   = 1 << 5 // BPF_F_MARK_MANGLED_0
	checksumEnforce  = 1 << 6 // BPF_F_MARK_ENFORCE
	checksumIPv6     = 1 << 7 // BPF_F_IPV6
	checksumMangled0 = 0xffff // CSUM_MANGLED_0
)

// replaceL3 is bpf_l3_csum_replace: a checksum after a field of 2 or 4 bytes has
// changed, or after a difference.
func (m *run) replaceL3() (uint64, error) {
	from, to, flags := m.r[3], m.r[4], m.r[5]
	if flags&^checksumField != 0 {
		return failed(invalid), nil
	}
	field, errno := m.checksumAt()
	if errno != 0 {
		return failed(errno), nil
	}
	v, errno := changedSum(native.Uint16(field), from, to, flags)
	if errno != 0 {
		return failed(errno), nil
	}
	native.PutUint16(field, v)
	return 0, nil
}

// checksumAt is the checksum at the offset in r2.
func (m *run) checksumAt() (field []byte, errno int) {
	at := uint64(uint32(m.r[2]))
	if at > highestOffset || at&1 != 0 {
		return nil, fault
	}
	if field = m.packet.part(at, 2); field == nil {
		return nil, fault
	}
	return field, 0
}

func changedSum(sum uint16, from, to, flags uint64) (uint16, int) {
	was := uint32(^sum)
	switch size := flags & checksumField; {
	case size == 0 && from == 0:
		return foldSum(addSum(uint32(to), was)), 0
	case size == 2:
		return ^add16(add16(^sum, ^uint16(from)), uint16(to)), 0
	case size == 4:
		return foldSum(addSum(addSum(was, ^uint32(from)), uint32(to))), 0
	}
	return 0, invalid
}

func add16(a, b uint16) uint16 {
	s := a + b
	if s < a {
		s++
	}
	return s
}

// replaceL4 is bpf_l4_csum_replace.
func (m *run) replaceL4() (uint64, error) {
	from, to, flags := m.r[3], m.r[4], m.r[5]
	if flags&^(checksumField|checksumPseudo|checksumMayBe0|checksumEnforce|checksumIPv6) != 0 {
		return failed(invalid), nil
	}
	field, errno := m.checksumAt()
	if errno != 0 {
		return failed(errno), nil
	}
	if flags&(checksumMayBe0|checksumEnforce) == checksumMayBe0 && native.Uint16(field) == 0 {
		return 0, nil
	}
	if flags&checksumField == 2 { // which are 4 here, the others being 0
		flags, from, to = flags&^checksumField|4, uint64(uint16(from)), uint64(uint16(to))
	}
	v, errno := changedSum(native.Uint16(field), from, to, flags)
	if errno != 0 {
		return failed(errno), nil
	}
	if m.packet.skb.checksum.kind == checksumPartial {
		v = partialSum(native.Uint16(field), from, to, flags)
	}
	m.packet.skb.checksum.changePseudo(from, to, flags)
	if flags&checksumMayBe0 != 0 && v == 0 {
		v = checksumMangled0
	}
	native.PutUint16(field, v)
	return 0, nil
}

// partialSum changes a sum that only counts what is not in the payload
// (inet_proto_csum_replace4, inet_proto_csum_replace_by_diff).
func partialSum(sum uint16, from, to, flags uint64) uint16 {
	if flags&checksumPseudo == 0 {
		return sum
	}
	return ^foldSum(addSum(addSum(uint32(sum), ^uint32(from)), uint32(to)))
}

// changePseudo keeps a complete sum right when what changes is not in the packet's
// payload, but in the header that the sum counts with it.
func (c *checksumState) changePseudo(from, to, flags uint64) {
	switch {
	case c.kind != checksumComplete || flags&checksumPseudo == 0:
	case flags&checksumField == 4:
		c.sum = ^addSum(addSum(^c.sum, ^uint32(from)), uint32(to))
	case flags&checksumIPv6 == 0:
		c.sum = ^addSum(uint32(to), ^c.sum)
	}
}

// maxDiff is how much a bpf_csum_diff takes that returns 32 bits.
const maxDiff = stackSize

// diffChecksum is bpf_csum_diff.
func (m *run) diffChecksum() (uint64, error) {
	n, to := uint32(m.r[2]), uint32(m.r[4])
	short := m.world.Facts().ShortDiff
	if !short && ((n|to)&3 != 0 || uint64(n)+uint64(to) > maxDiff) {
		return failed(invalid), nil
	}
	var old, now []byte
	var err error
	if n > 0 {
		if old, err = m.bytes(m.r[1], int(n)); err != nil {
			return 0, err
		}
	}
	if to > 0 {
		if now, err = m.bytes(m.r[3], int(to)); err != nil {
			return 0, err
		}
	}
	seed := uint32(m.r[5])
	if !short {
		return uint64(longDiff(old, now, seed)), nil
	}
	sum := shortDiff(old, now, seed)
	sum = sum>>16 + sum&0xffff
	return uint64(uint16(sum + sum>>16)), nil
}

func shortDiff(old, now []byte, seed uint32) uint32 {
	switch {
	case len(old) > 0 && len(now) > 0:
		return addSum(sumOf(now, seed), ^sumOf(old, 0))
	case len(now) > 0:
		return sumOf(now, seed)
	case len(old) > 0:
		return ^sumOf(old, ^seed)
	}
	return seed
}

// longDiff is the sum of the old bytes' complements and the new ones.
func longDiff(old, now []byte, seed uint32) uint32 {
	all := make([]byte, 0, maxDiff)
	for _, b := range old {
		all = append(all, ^b)
	}
	return sumOf(append(all, now...), seed)
}

// updateChecksum is bpf_csum_update.
func (m *run) updateChecksum() (uint64, error) {
	c := &m.packet.skb.checksum
	if c.kind != checksumComplete {
		return failed(notSupported), nil
	}
	c.sum = addSum(c.sum, uint32(m.r[2]))
	return uint64(c.sum), nil
}

const maxChecksumLevel = 3 // SKB_MAX_CSUM_LEVEL

// levelChecksum is bpf_csum_level.
func (m *run) levelChecksum() (uint64, error) {
	c := &m.packet.skb.checksum
	switch m.r[2] {
	case 0: // BPF_CSUM_LEVEL_QUERY
		if c.kind != checksumUnnecessary {
			return failed(noAccess), nil
		}
		return uint64(c.level), nil
	case 1: // BPF_CSUM_LEVEL_INC
		switch {
		case c.kind == checksumNone:
			*c = checksumState{kind: checksumUnnecessary}
		case c.kind == checksumUnnecessary && c.level < maxChecksumLevel:
			c.level++
		}
	case 2: // BPF_CSUM_LEVEL_DEC
		switch {
		case c.kind != checksumUnnecessary:
		case c.level == 0:
			c.kind = checksumNone
		default:
			c.level--
		}
	case 3: // BPF_CSUM_LEVEL_RESET
		c.reset()
	default:
		return failed(invalid), nil
	}
	return 0, nil
}

// SetChecksum says that the sum of all of the packet from the network layer's header
// on is known (CHECKSUM_COMPLETE), as some devices do.
func (p *Packet) SetChecksum() { p.skb.checksum = checksumState{kind: checksumComplete, sum: p.sum()} }

// ChecksumHolds reports whether that is still the sum.
func (p *Packet) ChecksumHolds() bool { return foldSum(p.skb.checksum.sum) == foldSum(p.sum()) }

func (p *Packet) sum() uint32 { return sumOf(p.Data[min(max(p.Network, 0), len(p.Data)):], 0) }
