package lockstep

import "github.com/nkconform/nkconform/mprog"

// attach makes up a BPF_PROG_ATTACH or BPF_LINK_CREATE.
func (g *generator) attach(s *Step, h Hook, wild bool) {
	if s.Op == CreateLink {
		if g.full() {
			s.Op = Attach
		}
		s.Makes = g.newSlot()
	}
	if s.Op == CreateLink && g.chance(6) && g.xdpLinks {
		g.xdp(s)
		return
	}
	if wild {
		g.wild(s)
		return
	}
	s.Object = g.newcomer(h, s.Process)
	e, ok := g.entry(h)
	if s.Op == Attach && ok && (g.chance(25) || len(g.entries(h)) >= mprog.MaxPrograms) {
		g.replace(s, h)
		return
	}
	switch n := g.intn(10); {
	case n < 3:
	case n < 5:
		s.Flags = mprog.Before << g.intn(2)
	case ok:
		s.Flags = mprog.Before << g.intn(2)
		g.relativeTo(s, e)
	}
	g.revision(s, 20)
}

// xdp makes up a link of another type, for others to be relative to. What
// drivers do with XDP depends on them.
func (g *generator) xdp(s *Step) {
	s.Type, s.Object = mprog.XDPDevice, slot(xdpProgs+int16(g.intn(2)))
	if s.Flags = 1 << 1; g.chance(60) { // XDP_FLAGS_SKB_MODE
		s.Device, s.Flags = slot(0), []mprog.Flags{0, 0, 0, 1 << 1, 1 << 3, 1 << 4}[g.intn(6)]
	}
	if g.chance(10) {
		s.Object = g.anyObject()
	}
}

// replace makes up a replacement, now and then with a position that agrees.
func (g *generator) replace(s *Step, h Hook) {
	list := g.entries(h)
	at := g.intn(len(list))
	for i := range list { // not one that a link owns, if possible
		if list[(at+i)%len(list)].Link < 0 {
			at = (at + i) % len(list)
			break
		}
	}
	s.Flags, s.Second = mprog.Replace, slot(list[at].Prog)
	switch g.intn(8) {
	case 0:
		if at+1 < len(list) {
			s.Flags |= mprog.Before
			g.relativeTo(s, list[at+1])
		}
	case 1:
		if at > 0 {
			s.Flags |= mprog.After
			g.relativeTo(s, list[at-1])
		}
	case 2:
		s.Flags |= g.anyFlags()
	}
	g.revision(s, 20)
}

// wild makes up a request in which anything may be wrong.
func (g *generator) wild(s *Step) {
	switch g.intn(6) {
	case 0:
		s.Device = g.anyDevice()
	case 1:
		s.Type = g.anyType(s.Type)
	}
	s.Object = g.anyProgram()
	if g.chance(15) {
		s.Object = g.anyObject()
	}
	if g.chance(70) {
		s.Flags = g.anyFlags()
	}
	if s.Flags&mprog.Replace != 0 || g.chance(10) {
		s.Second = g.anyObject()
	}
	if g.chance(70) {
		s.Relative = g.anyObject()
		if list := g.entries(Hook{s.Device.Slot, s.Type}); len(list) > 0 && g.chance(50) {
			e := list[g.intn(len(list))]
			s.Relative = slot(e.Prog)
			if e.Link >= 0 && g.chance(50) {
				s.Relative = slot(e.Link)
			}
		}
		// Mostly what the flag says, so that the number is what it seems.
		s.ByID = s.Flags&mprog.ID != 0
	}
	g.revision(s, 10)
}

// detach makes up a BPF_PROG_DETACH.
func (g *generator) detach(s *Step, h Hook, wild bool) {
	list := g.entries(h)
	if len(list) == 0 && g.chance(70) { // rather one that has something
		for _, other := range g.hooks {
			if len(g.entries(other)) > 0 {
				h, list = other, g.entries(other)
				s.Device, s.Type = slot(h.Device), h.Type
				break
			}
		}
	}
	if wild {
		g.wild(s)
		if g.chance(40) {
			s.Object = zero
		}
		return
	}
	if len(list) == 0 {
		return
	}
	at := g.intn(len(list))
	for i := range list {
		e := list[(at+i)%len(list)]
		if e.Link < 0 && g.w.objects[e.Prog].open>>s.Process&1 != 0 {
			at = (at + i) % len(list)
			break
		}
	}
	named := g.chance(50)
	if named {
		s.Object = slot(list[at].Prog)
	}
	switch n := g.intn(10); {
	case n < 5 && named:
	case n < 7 && at+1 < len(list):
		s.Flags = mprog.Before
		g.relativeTo(s, list[at+1])
	case n < 9 && at > 0:
		s.Flags = mprog.After
		g.relativeTo(s, list[at-1])
	case !named:
		s.Flags = []mprog.Flags{0, mprog.Before, mprog.After}[g.intn(3)]
	}
	g.revision(s, 20)
}

// update makes up a BPF_LINK_UPDATE.
func (g *generator) update(s *Step, h Hook, wild bool) {
	s.Object = g.anyLink(s.Process, !wild)
	if wild {
		s.Second, s.Flags = g.anyProgram(), 0
		if g.chance(20) {
			s.Object = g.anyObject()
		}
		if g.chance(20) {
			s.Second = g.anyObject()
		}
		if g.chance(50) {
			s.Flags = mprog.Replace
		}
		if g.chance(10) {
			s.Flags = g.anyFlags()
		}
		if s.Flags&mprog.Replace != 0 || g.chance(10) {
			s.Third = g.anyObject()
		}
		return
	}
	if !s.Object.slot() || !g.w.objects[s.Object.Slot].link {
		s.Second = g.newcomer(h, s.Process)
		return
	}
	link := g.w.objects[g.w.objects[s.Object.Slot].root]
	s.Second = g.newcomer(link.hook, s.Process)
	if link.hook.Type == mprog.XDPDevice && g.chance(80) {
		s.Second = slot(xdpProgs + int16(g.intn(2)))
	}
	if g.chance(10) {
		s.Second = slot(link.prog)
	}
	if g.chance(40) {
		s.Flags, s.Third = mprog.Replace, slot(link.prog)
	}
}

// query makes up a BPF_PROG_QUERY.
func (g *generator) query(s *Step, wild bool) {
	s.Count = mprog.MaxPrograms + 1
	if g.chance(40) {
		s.Count = uint32(g.intn(mprog.MaxPrograms + 2))
		if n := len(g.entries(Hook{s.Device.Slot, s.Type})); n > 0 && g.chance(60) {
			s.Count = uint32(n - 1 + g.intn(2))
		}
	}
	s.NoProgIDs, s.NoLinkIDs = g.chance(8), g.chance(20)
	s.ProgFlags, s.LinkFlags = g.chance(15), g.chance(15)
	if wild {
		if g.chance(50) {
			s.Device = g.anyDevice()
		}
		s.Type = g.anyType(s.Type)
		if g.chance(20) {
			s.QueryFlags = 1 << g.intn(5)
		}
		if g.chance(20) {
			s.AttachFlags = 1 << g.intn(5)
		}
	}
}
