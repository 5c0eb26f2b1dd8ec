package lockstep

import "github.com/nkconform/nkconform/mprog"

// oddities are numbers that are no object, device or flag, or special ones.
var oddities = []uint32{0, 1, 2, 1 << 31, unbound, 0xffffffff}

func (g *generator) oddity() Ref { return raw(oddities[g.intn(len(oddities))]) }

// anyProgram chooses a program, mostly one that fits.
func (g *generator) anyProgram() Ref {
	switch n := g.intn(40); n {
	case 0:
		return slot(xdpProgs + int16(g.intn(2)))
	case 1:
		return slot(filterProg)
	default:
		return slot(int16(g.intn(int(g.progs))))
	}
}

// anyObject chooses among all that was ever made, closed or not, and numbers
// that are nothing.
func (g *generator) anyObject() Ref {
	dynamic := len(g.w.objects) - firstDynamic
	switch n := g.intn(10); {
	case n == 0:
		return g.oddity()
	case n < 5 && dynamic > 0:
		return slot(int16(firstDynamic + g.intn(dynamic)))
	}
	return g.anyProgram()
}

func (g *generator) anyDevice() Ref {
	if g.chance(15) {
		return g.oddity()
	}
	return slot(int16(g.intn(int(g.w.stage.slots()))))
}

// anyLink chooses a link that the process has open, if it has one.
func (g *generator) anyLink(process int8, attached bool) Ref {
	var found []int16
	for n := firstDynamic; n < len(g.w.objects); n++ {
		o := &g.w.objects[n]
		if o.link && o.open>>process&1 != 0 && (!attached || g.w.objects[o.root].device) {
			found = append(found, int16(n))
		}
	}
	if len(found) == 0 {
		return g.anyObject()
	}
	return slot(found[g.intn(len(found))])
}

// entries returns what is on a hook.
func (g *generator) entries(h Hook) []Entry {
	if s := g.w.hook(h); s != nil && !s.gone {
		return s.answer.Entries
	}
	return nil
}

func (g *generator) entry(h Hook) (Entry, bool) {
	list := g.entries(h)
	if len(list) == 0 {
		return Entry{}, false
	}
	switch g.intn(4) {
	case 0:
		return list[0], true
	case 1:
		return list[len(list)-1], true
	}
	return list[g.intn(len(list))], true
}

// newcomer chooses a program that is not on the hook and that the process has
// open.
func (g *generator) newcomer(h Hook, process int8) Ref {
	list := g.entries(h)
	start := g.intn(int(g.progs))
next:
	for i := range int(g.progs) {
		n := int16((start + i) % int(g.progs))
		if g.w.objects[n].open>>process&1 == 0 {
			continue
		}
		for _, e := range list {
			if e.Prog == n {
				continue next
			}
		}
		return slot(n)
	}
	return slot(int16(start))
}

// relativeTo names an entry as a relative object: by fd or id, as program or
// as link.
func (g *generator) relativeTo(s *Step, e Entry) {
	s.Relative = slot(e.Prog)
	if e.Link >= 0 && g.chance(50) {
		s.Relative = slot(e.Link)
		s.Flags |= mprog.Link
	}
	o := g.w.objects[s.Relative.Slot]
	if o.open>>s.Process&1 == 0 || g.chance(40) {
		s.Flags |= mprog.ID
		s.ByID = true
	}
}

// revision chooses an expected revision near the current one.
func (g *generator) revision(s *Step, right int) {
	switch n := g.intn(100); {
	case n < right:
		s.Revision = Revision{Kind: FromCurrent}
	case n < right+4:
		s.Revision = Revision{FromCurrent, int64(g.intn(5) - 2)}
	case n < right+6:
		s.Revision = Revision{Absolute, []int64{1, 2, 1 << 32, -1}[g.intn(4)]}
	}
}

// anyFlags chooses any combination, now and then with unknown bits.
func (g *generator) anyFlags() mprog.Flags {
	bits := []mprog.Flags{mprog.Before, mprog.After, mprog.ID, mprog.Link, mprog.Replace}
	var f mprog.Flags
	n := g.intn(32)
	for i, bit := range bits {
		if n>>i&1 != 0 {
			f |= bit
		}
	}
	if g.chance(6) {
		f |= []mprog.Flags{1, 2, 1 << 6, 1 << 14, 1 << 31}[g.intn(5)]
	}
	return f
}

// anyType chooses an attach type: that of another hook, or one that there is
// not.
func (g *generator) anyType(t mprog.AttachType) mprog.AttachType {
	switch g.intn(12) {
	case 0:
		return 0xffffffff
	case 1, 2:
		return []mprog.AttachType{mprog.NetkitPrimary, mprog.NetkitPeer, mprog.TCXIngress, mprog.TCXEgress}[g.intn(4)]
	}
	return t
}

// misshape gives the request another size, or a byte that is not zero where it
// must be. Within a number it is the top byte, so that it is nothing on either
// side; a query's pointer that is changed points nowhere.
func (g *generator) misshape(s *Step) {
	if s.Op == Query && g.chance(40) {
		s.ProgFlags, s.LinkFlags = g.chance(50), g.chance(50)
		s.Junk = []uint32{18, 23, 35, 39, 43, 47, 51, 55}[g.intn(8)]
		return
	}
	sizes := []uint32{4, 8, 12, 16, 20, 24, 32, 36, 40, 44, 48, 52, 56, 60, 64, 72, 100, 120, 144, 148, 152, 160, 168, 176, 1024, 4096, 4097, 8192}
	s.Size = sizes[g.intn(len(sizes))]
	if g.chance(50) {
		junk := []uint32{3, 7, 11, 15, 19, 23, 24, 31, 33, 60, 64, 68, 76, 99, 119, 147, 151, 159, 167, 175, 512, 1023, 4095}
		if s.Op == Query {
			junk = []uint32{3, 7, 11, 15, 27, 33, 64, 68, 76, 99, 119, 147, 151, 159, 167, 175, 512, 1023, 4095}
		}
		s.Junk = junk[g.intn(len(junk))]
	}
}
