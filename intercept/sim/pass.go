package sim

import (
	"fmt"

	"github.com/nkconform/nkconform/fake"
	"github.com/nkconform/nkconform/intercept/machine"
	"github.com/nkconform/nkconform/mprog"
)

// Passage is what a hook made of a packet.
type Passage struct {
	Ran     []string // the programs that ran, with what they returned and why not more, if it is to be explained
	Verdict int32    // the last one's
	Passes  bool
}

// dropped is TCX_DROP and NETKIT_DROP.
const dropped = 2

// xdpDropped is XDP_DROP.
const xdpDropped = 1

// Pass has a packet pass a device's hook: see [fake.Process.PassAt]. A program
// that cannot be run to its end drops it.
func (s *Sim) Pass(netns uint64, ifindex uint32, at mprog.AttachType, policy mprog.NetkitPolicy,
	packet *machine.Packet) (made Passage) {
	s.mu.Lock()
	defer s.mu.Unlock()
	packet.Ingress = at == mprog.TCXIngress
	_, made.Verdict, made.Passes = s.resident(netns).PassAt(ifindex, at, policy, passing(packet), func(id uint32) int32 {
		p := s.programs[id]
		if p == nil { // loaded into the fake by somebody else
			p = &program{id: id}
		}
		packet.Redirect = machine.Redirect{}
		v, err := s.run(p, packet)
		switch {
		case err == nil:
		case at == mprog.XDPDevice:
			v = xdpDropped
		default:
			v = dropped
		}
		if s.explain {
			made.Ran = append(made.Ran, told(p, v, err))
		}
		return v
	})
	return made
}

func passing(p *machine.Packet) fake.PassingPacket {
	bytes, packets := p.OnWire()
	return fake.PassingPacket{Protocol: p.Protocol(), Bytes: bytes, Packets: packets}
}

// RunXDP has an XDP program of a map see a packet, and returns what it returns; one that
// cannot be run to its end drops it.
func (s *Sim) RunXDP(id uint32, packet *machine.Packet) (verdict int32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.programs[id]
	if p == nil {
		return xdpDropped
	}
	v, err := s.run(p, packet)
	if err != nil {
		return xdpDropped
	}
	return v
}

func told(p *program, v int32, err error) string {
	if err != nil {
		return fmt.Sprintf("%s drops: %v", p.label(), err)
	}
	return fmt.Sprintf("%s returns %d", p.label(), v)
}
