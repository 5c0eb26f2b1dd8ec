//go:build amd64 || arm64

package intercept

import (
	"bytes"
	"encoding/binary"

	"golang.org/x/sys/unix"

	"github.com/nkconform/nkconform/intercept/machine"
	"github.com/nkconform/nkconform/intercept/rtnl"
	"github.com/nkconform/nkconform/intercept/sim"
	"github.com/nkconform/nkconform/mprog"
)

const (
	linkHeader   = 14 // sizeof(struct ethhdr)
	actRedirect  = 7  // TCX_REDIRECT, NETKIT_REDIRECT
	maxRedirects = 4  // XMIT_RECURSION_LIMIT is twice that
)

// pass has a packet pass a hook of a device.
func (s *supervisor) pass(d *rtnl.Device, at mprog.AttachType, packet *machine.Packet) sim.Passage {
	made := s.sim.Pass(d.Netns, d.Index, at, d.Policy(), packet)
	if s.log != nil {
		s.log.packet(d.Name, at, &made)
	}
	return made
}

// transmit is the way of a frame from a simulated device to its peer
// (__dev_queue_xmit, netkit_xmit).
func (s *supervisor) transmit(d *rtnl.Device, frame []byte) unix.Errno {
	if d.Flags&rtnl.FlagUp == 0 {
		return unix.ENETDOWN
	}
	return s.queue(d, machine.NewPacket(frame, d.Index), 0)
}

func (s *supervisor) queue(d *rtnl.Device, packet *machine.Packet, redirects int) unix.Errno {
	if made := s.pass(d, mprog.TCXEgress, packet); !made.Passes {
		return s.divert(d, &made, packet, redirects)
	}
	if !d.Carrier() {
		return 0 // its queue throws away, and does not say so
	}
	s.offer(d, packet, true)
	peer := d.Peer()
	if peer == nil {
		return unix.ENOBUFS
	}
	packet.Arrived(peer.Index, packetKind(peer, packet.Data))
	if made := s.pass(d, mprog.NetkitPrimary, packet); !made.Passes {
		return s.divert(peer, &made, packet, redirects)
	}
	s.arrive(peer, packet, redirects)
	return 0
}

// arrive is the way of a packet into a device (__netif_receive_skb_core).
func (s *supervisor) arrive(d *rtnl.Device, packet *machine.Packet, redirects int) {
	packet.Arrived(d.Index, packetKind(d, packet.Data))
	s.offer(d, packet, true)
	if made := s.pass(d, mprog.TCXIngress, packet); !made.Passes {
		_ = s.divert(d, &made, packet, redirects) // nobody is told
		return
	}
	s.offer(d, packet, false)
}

// divert handles a packet that does not go on: it is dropped, which the sender is
// told, or redirected by a program.
func (s *supervisor) divert(d *rtnl.Device, made *sim.Passage, packet *machine.Packet, redirects int) unix.Errno {
	if made.Verdict != actRedirect {
		return unix.ENOBUFS
	}
	to := s.rtnl.ByIndex(d.Netns, packet.Redirect.Ifindex)
	if to == nil || to.Flags&rtnl.FlagUp == 0 || redirects == maxRedirects {
		return 0
	}
	if packet.Redirect.Ingress {
		s.arrive(to, packet, redirects+1)
	} else {
		packet.On(to.Index)
		_ = s.queue(to, packet, redirects+1)
	}
	return 0
}

// packetKind says whom a frame is for, as a device sees it.
func packetKind(d *rtnl.Device, frame []byte) uint32 {
	switch to := frame[:6]; {
	case bytes.Equal(to, d.Address[:]):
		return unix.PACKET_HOST
	case bytes.Equal(to, []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}):
		return unix.PACKET_BROADCAST
	case to[0]&1 != 0:
		return unix.PACKET_MULTICAST
	}
	return unix.PACKET_OTHERHOST
}

// offer hands a packet to the sockets that want it: those for every ethertype,
// which come first, or those for its own.
func (s *supervisor) offer(d *rtnl.Device, packet *machine.Packet, every bool) {
	for _, p := range s.packets {
		wanted := p.protocol == unix.ETH_P_ALL
		if !every {
			wanted = p.protocol == binary.BigEndian.Uint16(packet.Data[linkHeader-2:])
		}
		if !wanted || p.netns != d.Netns || p.ifindex != 0 && p.ifindex != d.Index {
			continue
		}
		data := packet.Data
		if !p.raw {
			data = data[linkHeader:]
		}
		p.send(bytes.Clone(data))
	}
}
