package lockstep

import "github.com/nkconform/nkconform/mprog"

// other makes up the steps that concern objects more than hooks.
func (g *generator) other(s *Step, wild bool) {
	switch s.Op {
	case DetachLink, Info:
		if s.Object = g.anyLink(s.Process, s.Op == DetachLink); wild || s.Op == Info && g.chance(30) {
			s.Object = g.anyObject()
		}
	case Close:
		if s.Object = g.anyLink(s.Process, false); wild {
			s.Object = g.closable()
		}
	case OpenProg, NextProg:
		s.Object = g.anyProgram()
	case OpenLink, NextLink:
		s.Object = g.anyLink(0, false)
	case Pin:
		s.Path = uint8(g.intn(maxPaths))
		s.Object = g.anyLink(s.Process, false)
		if g.chance(30) {
			s.Object = g.anyProgram()
		}
	case Get, Unlink:
		s.Path = uint8(g.intn(maxPaths))
		for n, pinned := range g.w.pins {
			if pinned && g.chance(60) {
				s.Path = uint8(n)
			}
		}
	case Dup:
		if s.Object = g.anyLink(s.Process, false); g.chance(20) {
			s.Object = g.anyProgram()
		}
	case Command:
		s.AttachFlags = []uint32{100, 999, 1 << 31, 0xffffffff}[g.intn(4)]
		s.Size = []uint32{0, 4, 16, 32, 4097}[g.intn(5)]
	case StartProcess:
		s.Process, s.Makes = 0, int16(len(g.w.procs))
		s.Without = [][2]mprog.Capability{
			{}, {}, {mprog.CapNetAdmin}, {mprog.CapSysAdmin}, {mprog.CapNetAdmin, mprog.CapSysAdmin},
		}[g.intn(5)]
		s.Away = g.w.stage.Netns && g.chance(70)
		if len(g.w.procs) >= 4 {
			s.Op = Info
		}
	case EndProcess:
		s.Process, s.Makes = 0, int16(1+g.intn(max(len(g.w.procs)-1, 1)))
	case Send:
		s.Process = 0
	}
	switch s.Op {
	case OpenProg, OpenLink, Get, Dup:
		if s.Makes = g.newSlot(); g.full() {
			s.Op = Info
		}
	}
	if wild && s.Op != Close && s.Op != Get && s.Op != Unlink && s.Op != Command {
		if g.chance(50) {
			s.Object = g.anyObject()
		}
		if g.chance(20) && (s.Op == OpenProg || s.Op == OpenLink || s.Op == NextProg || s.Op == NextLink) {
			s.AttachFlags = 1 << g.intn(8)
		}
	}
}

// closable chooses something to close that is not among the process's standard
// descriptors, whose closing would change what their numbers are.
func (g *generator) closable() Ref {
	if r := g.anyObject(); r.slot() || r.Raw > 2 {
		return r
	}
	return raw(unbound)
}
