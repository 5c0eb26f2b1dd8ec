package machine

import "hash/fnv"

func (p *Packet) clearHash() {
	p.skb.hash = false
	p.set(skbHash, 0)
}

// recalculateHash is bpf_get_hash_recalc: a kernel's depends on a secret; this
// one is of the addresses, protocol and ports, too.
func (m *run) recalculateHash() (uint64, error) {
	p := m.packet
	if !p.skb.hash && p.get(skbHash) == 0 {
		p.set(skbHash, p.flowHash())
		p.skb.hash = true
	}
	return uint64(p.get(skbHash)), nil
}

func (m *run) setHash() (uint64, error) {
	m.packet.set(skbHash, uint32(m.r[2]))
	m.packet.skb.hash = true
	return 0, nil
}

func (m *run) invalidateHash() (uint64, error) {
	m.packet.clearHash()
	return 0, nil
}

// flowHash is the same for all packets of a flow, and not 0.
func (p *Packet) flowHash() uint32 {
	h := fnv.New32a()
	flow := p.Data
	switch header := p.Data[min(max(p.Network, 0), len(p.Data)):]; {
	case p.Protocol() == ethIP && len(header) >= ipv4Header:
		flow = append(append([]byte{}, header[9]), header[12:20]...)
		flow = append(flow, ports(header, int(header[0]&15)*4, header[9])...)
	case p.Protocol() == ethIPv6 && len(header) >= ipv6Header:
		flow = append(append([]byte{}, header[6]), header[8:40]...)
		flow = append(flow, ports(header, ipv6Header, header[6])...)
	default:
		flow = flow[:min(len(flow), ethernetHeader)]
	}
	h.Write(flow)
	return max(h.Sum32(), 1)
}

// Protocols whose headers begin with ports.
const (
	protocolTCP  = 6
	protocolUDP  = 17
	protocolSCTP = 132
)

func ports(packet []byte, at int, protocol byte) []byte {
	switch protocol {
	case protocolTCP, protocolUDP, protocolSCTP:
		if len(packet) >= at+4 {
			return packet[at : at+4]
		}
	}
	return nil
}
