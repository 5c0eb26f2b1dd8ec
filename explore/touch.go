package explore

import (
	"github.com/nkconform/nkconform/explore/internal/search"
	"github.com/nkconform/nkconform/fake"
	"github.com/nkconform/nkconform/mprog"
)

// What calls have in common is told by bits: one for which ids there are, the others for
// hooks, paths and links, which share bits where there are many. Sharing a bit, calls are
// taken to depend on each other although they do not, which only costs time.
const (
	everything = ^uint64(0)
	idBit      = 1 << 63
)

func bitOf(h uint64) uint64 { return 1 << (h % 63) }

func hookBit(h mprog.Hook) uint64 {
	if h == (mprog.Hook{}) {
		return 0
	}
	return bitOf(mix(uint64(h.Ifindex), uint64(h.Type)))
}

func pathBit(path string) uint64 { return bitOf(hashString(path)) }

// Touches implements [search.Machine].
func (m *machine) Touches(a search.Action) (reads, writes uint64) {
	switch a.Kind {
	case search.Call:
		s := &m.agents[a.Agent]
		reads, writes = touches(s.process, &s.node.pending[a.N])
	case search.Fail:
		return 0, 0
	default:
		return everything, everything
	}
	if m.visible && writes != 0 { // an invariant sees which came first
		writes = everything
	}
	return reads, writes
}

// touches says what a call reads and writes.
func touches(p *fake.Process, c *call) (reads, writes uint64) {
	switch r := c.request.(type) {
	case mprog.AttachRequest:
		return idBit, hookBit(mprog.Hook{Ifindex: r.TargetIfindex, Type: r.AttachType})
	case mprog.DetachRequest: // lets go of a program
		return idBit, hookBit(mprog.Hook{Ifindex: r.TargetIfindex, Type: r.AttachType}) | idBit
	case mprog.QueryRequest:
		return hookBit(mprog.Hook{Ifindex: r.TargetIfindex, Type: r.AttachType}), 0
	case mprog.LinkCreateRequest:
		return idBit, hookBit(mprog.Hook{Ifindex: r.TargetIfindex, Type: r.AttachType}) | idBit
	case mprog.IDRequest:
		return idBit, 0
	case mprog.ProgSpec:
		return 0, idBit
	case mprog.GetRequest:
		return pathBit(r.Path), 0
	case mprog.PinRequest:
		if kind, _ := p.Describe(r.FD); kind != 0 {
			return 0, pathBit(r.Path)
		}
	case uint32:
		kind, _ := p.Describe(r)
		switch c.op {
		case mprog.OpDup:
			return 0, 0
		case mprog.OpObjectInfo:
			if kind == fake.LeakedFDs { // of a program, nothing changes
				return 0, 0
			}
			return everything, 0
		case mprog.OpClose:
			if kind == fake.LeakedFDs {
				return 0, idBit
			}
		}
	}
	return everything, everything
}
