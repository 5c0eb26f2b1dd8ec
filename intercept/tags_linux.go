//go:build amd64 || arm64

package intercept

import (
	"fmt"
	"sync"

	"github.com/nkconform/nkconform/intercept/machine"
)

// A TAP device does not pass on which mark and priority a packet has. Those of the socket
// that has sent it are looked up when a program wants to know them.

// tagLater has a packet that the stack sends by a device tell its sender's mark and
// priority.
func (p *pump) tagLater(e *end, packet *machine.Packet) {
	q, ok := packet.Sent()
	if !ok || e.outside == nil {
		return
	}
	sender := sync.OnceValue(func() (s machine.Socket) {
		s, found, err := e.outside.Socket(q)
		if err != nil {
			p.s.warn(fmt.Sprintf("marks and priorities of packets read 0: %v", err))
		}
		if !found {
			return machine.Socket{}
		}
		return s
	})
	packet.TagLater(func() uint32 { return sender().Mark }, func() uint32 {
		s := sender()
		if s.Priority == nil {
			return 0
		}
		v, err := s.Priority()
		if err != nil {
			p.s.warn(fmt.Sprintf("the priority of a packet reads 0: %v", err))
		}
		return v
	})
}
