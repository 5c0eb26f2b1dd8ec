package machine

// tunnel is what a packet's tunnel is to be, or was (struct ip_tunnel_info).
type tunnel struct {
	id         uint32
	ipv6       bool
	source, to [16]byte // in struct bpf_tunnel_key's form
	tos, ttl   byte
	label      uint32
	flags      uint16 // IP_TUNNEL_*_BIT
	options    []byte
}

// Where struct bpf_tunnel_key has its fields.
const (
	tunnelID     = 0
	tunnelRemote = 4
	tunnelTOS    = 20
	tunnelTTL    = 21
	tunnelExtra  = 22 // tunnel_ext, tunnel_flags
	tunnelLabel  = 24
	tunnelLocal  = 28
	tunnelSize   = 44
)

// Flags of bpf_skb_set_tunnel_key and bpf_skb_get_tunnel_key.
const (
	tunnelIPv6     = 1 << 0 // BPF_F_TUNINFO_IPV6
	tunnelNoSum    = 1 << 1 // BPF_F_ZERO_CSUM_TX
	tunnelWhole    = 1 << 2 // BPF_F_DONT_FRAGMENT
	tunnelSequence = 1 << 3 // BPF_F_SEQ_NUMBER
	tunnelNoKey    = 1 << 4 // BPF_F_NO_TUNNEL_KEY
	tunnelFlags    = 1 << 4 // BPF_F_TUNINFO_FLAGS, of the latter helper
)

// Bits of a tunnel's flags.
const (
	tunnelBitSum      = 1 << 0
	tunnelBitKey      = 1 << 2
	tunnelBitSequence = 1 << 3
	tunnelBitWhole    = 1 << 8
	tunnelBitOptions  = 1<<11 | 1<<12 | 1<<14 | 1<<15 // Geneve's, VXLAN's, ERSPAN's, GTP's
	tunnelBitNoCache  = 1 << 13
)

// olderTunnel reports whether a struct bpf_tunnel_key of an older program has the size.
func olderTunnel(size uint32, ipv6 bool) bool {
	switch size {
	case tunnelExtra, tunnelLabel, tunnelLocal:
		return true
	case tunnelRemote + 4:
		return !ipv6
	}
	return false
}

func (m *run) setTunnelKey() (uint64, error) {
	size, flags := uint32(m.r[3]), m.r[4]
	given, err := m.bytes(m.r[2], int(size))
	if err != nil {
		return 0, err
	}
	const known = tunnelIPv6 | tunnelNoSum | tunnelWhole | tunnelSequence | tunnelNoKey
	if flags&^known != 0 || size != tunnelSize && !olderTunnel(size, false) {
		return failed(invalid), nil
	}
	var key [tunnelSize]byte
	copy(key[:], given)
	t := &tunnel{
		id: native.Uint32(key[:]), ipv6: flags&tunnelIPv6 != 0, tos: key[tunnelTOS], ttl: key[tunnelTTL],
		label: native.Uint32(key[tunnelLabel:]), flags: tunnelBitKey | tunnelBitSum | tunnelBitNoCache,
	}
	if !t.ipv6 && t.label != 0 || native.Uint16(key[tunnelExtra:]) != 0 {
		return failed(invalid), nil
	}
	for flag, bit := range map[uint64]uint16{tunnelWhole: tunnelBitWhole, tunnelSequence: tunnelBitSequence} {
		if flags&flag != 0 {
			t.flags |= bit
		}
	}
	if flags&tunnelNoSum != 0 {
		t.flags &^= tunnelBitSum
	}
	if flags&tunnelNoKey != 0 {
		t.flags &^= tunnelBitKey
	}
	n := 4
	if t.ipv6 {
		n = 16
		t.label &= 0xfffff
	}
	copy(t.to[:n], key[tunnelRemote:])
	copy(t.source[:n], key[tunnelLocal:])
	m.packet.skb.tunnel = t
	return 0, nil
}

func (m *run) getTunnelKey() (uint64, error) {
	size, flags := uint32(m.r[3]), m.r[4]
	to, err := m.bytes(m.r[2], int(size))
	if err != nil {
		return 0, err
	}
	t := m.packet.skb.tunnel
	errno := 0
	switch {
	case t == nil, flags&^(tunnelIPv6|tunnelFlags) != 0:
		errno = invalid
	case t.ipv6 != (flags&tunnelIPv6 != 0):
		errno = badProtocol
	case size != tunnelSize && !olderTunnel(size, t.ipv6):
		errno = invalid
	}
	clear(to)
	if errno != 0 {
		return failed(errno), nil
	}
	copy(to, t.key(flags&tunnelFlags != 0))
	return 0, nil
}

// key is the tunnel as one that the packet came by.
func (t *tunnel) key(flags bool) []byte {
	var key [tunnelSize]byte
	native.PutUint32(key[tunnelID:], t.id)
	copy(key[tunnelRemote:], t.source[:])
	copy(key[tunnelLocal:], t.to[:])
	key[tunnelTOS], key[tunnelTTL] = t.tos, t.ttl
	if flags {
		native.PutUint16(key[tunnelExtra:], swap16(t.flags))
	}
	native.PutUint32(key[tunnelLabel:], t.label)
	return key[:]
}

const maxTunnelOptions = 255 // IP_TUNNEL_OPTS_MAX

func (m *run) setTunnelOptions() (uint64, error) {
	size := uint32(m.r[3])
	options, err := m.bytes(m.r[2], int(size))
	if err != nil {
		return 0, err
	}
	t := m.packet.skb.tunnel
	switch {
	case t == nil, size&3 != 0:
		return failed(invalid), nil
	case size > maxTunnelOptions:
		return failed(noMemory), nil
	}
	t.options = append([]byte{}, options...)
	t.flags |= tunnelBitOptions
	return 0, nil
}

func (m *run) getTunnelOptions() (uint64, error) {
	to, err := m.bytes(m.r[2], int(uint32(m.r[3])))
	if err != nil {
		return 0, err
	}
	clear(to)
	t := m.packet.skb.tunnel
	switch {
	case t == nil, t.flags&tunnelBitOptions == 0:
		return failed(noEntry), nil
	case len(to) < len(t.options):
		return failed(noMemory), nil
	}
	copy(to, t.options)
	return uint64(len(t.options)), nil
}
