package sim

import (
	"math"
	"slices"

	"github.com/nkconform/nkconform/fake"
	"github.com/nkconform/nkconform/mprog"
)

// Traffic is what a caller asks rtnetlink of qdiscs and filters.
type Traffic struct {
	sim    *Sim
	caller Caller
}

// Traffic answers a caller's requests about qdiscs and filters.
func (s *Sim) Traffic(c Caller) Traffic { return Traffic{s, c} }

// Qdisc returns the kind of a device's clsact or ingress qdisc, "" if it has none.
func (t Traffic) Qdisc(ifindex uint32) mprog.QdiscKind {
	t.sim.mu.Lock()
	defer t.sim.mu.Unlock()
	return t.sim.standIn(t.caller).Qdisc(ifindex)
}

// QdiscCounts is [fake.Process.QdiscCounts].
func (t Traffic) QdiscCounts(ifindex uint32) mprog.QdiscCounts {
	t.sim.mu.Lock()
	defer t.sim.mu.Unlock()
	return t.sim.standIn(t.caller).QdiscCounts(ifindex)
}

// Qdiscs returns those of the caller's network namespace, by ifindex.
func (t Traffic) Qdiscs() map[uint32]mprog.QdiscKind {
	t.sim.mu.Lock()
	defer t.sim.mu.Unlock()
	return t.sim.standIn(t.caller).Qdiscs()
}

// AddQdisc is [fake.Process.QdiscAdd], of any device that the caller sees.
func (t Traffic) AddQdisc(r mprog.QdiscRequest) error {
	t.sim.mu.Lock()
	defer t.sim.mu.Unlock()
	p := t.sim.mirror(t.caller, r.Ifindex)
	err := p.QdiscAdd(r)
	t.sim.written().qdisc(t.caller, mprog.OpQdiscAdd, r, err)
	return err
}

// DeleteQdisc is [fake.Process.QdiscDelete].
func (t Traffic) DeleteQdisc(r mprog.QdiscRequest) error {
	t.sim.mu.Lock()
	defer t.sim.mu.Unlock()
	defer t.sim.sweep()
	p := t.sim.mirror(t.caller, r.Ifindex)
	err := p.QdiscDelete(r)
	t.sim.written().qdisc(t.caller, mprog.OpQdiscDelete, r, err)
	return err
}

// AddFilter is [fake.Process.NewFilter], with an fd of the caller's.
func (t Traffic) AddFilter(r mprog.FilterRequest) (mprog.Filter, error) {
	s := t.sim
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.sweep() // another filter's program may be gone
	p := s.mirror(t.caller, r.Ifindex)
	fds := []uint32{r.FD}
	done := s.lendTo(p, t.caller, fds)
	defer done()
	lent := r
	lent.FD = fds[0]
	f, err := p.NewFilter(lent)
	s.written().filter(t.caller, mprog.OpFilterAdd, r, err)
	return f, err
}

// DeleteFilter is [fake.Process.FilterDelete].
func (t Traffic) DeleteFilter(r mprog.FilterRequest) error {
	t.sim.mu.Lock()
	defer t.sim.mu.Unlock()
	defer t.sim.sweep()
	err := t.sim.mirror(t.caller, r.Ifindex).FilterDelete(r)
	t.sim.written().filter(t.caller, mprog.OpFilterDelete, r, err)
	return err
}

// AddChain is [fake.Process.ChainAdd], DeleteChain [fake.Process.ChainDelete].
func (t Traffic) AddChain(r mprog.FilterRequest) error {
	t.sim.mu.Lock()
	defer t.sim.mu.Unlock()
	return t.sim.mirror(t.caller, r.Ifindex).ChainAdd(r)
}

// DeleteChain removes a chain with its filters.
func (t Traffic) DeleteChain(r mprog.FilterRequest) error {
	t.sim.mu.Lock()
	defer t.sim.mu.Unlock()
	defer t.sim.sweep()
	return t.sim.mirror(t.caller, r.Ifindex).ChainDelete(r)
}

// Chains is [fake.Process.Chains].
func (t Traffic) Chains(h mprog.Hook) []uint32 {
	t.sim.mu.Lock()
	defer t.sim.mu.Unlock()
	return t.sim.standIn(t.caller).Chains(h)
}

// GetFilter is [fake.Process.FilterGet].
func (t Traffic) GetFilter(r mprog.FilterRequest) (mprog.Filter, error) {
	t.sim.mu.Lock()
	defer t.sim.mu.Unlock()
	return t.sim.mirror(t.caller, r.Ifindex).FilterGet(r)
}

// Filters is [fake.Process.FilterList].
func (t Traffic) Filters(h mprog.Hook) ([]mprog.Filter, error) {
	t.sim.mu.Lock()
	defer t.sim.mu.Unlock()
	return t.sim.standIn(t.caller).FilterList(h)
}

// SetXDP is [fake.Process.XDPSet], with fds of the caller's.
func (t Traffic) SetXDP(r mprog.XDPRequest) error {
	s := t.sim
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.sweep() // the program that was there may be gone
	p := s.mirror(t.caller, r.Ifindex)
	var named []*int32
	if r.FD >= 0 {
		named = append(named, &r.FD)
	}
	if r.Expected != nil && *r.Expected >= 0 {
		expected := *r.Expected
		r.Expected = &expected
		named = append(named, &expected)
	}
	fds := make([]uint32, len(named))
	for i, fd := range named {
		fds[i] = uint32(*fd)
	}
	defer s.lendTo(p, t.caller, fds)()
	for i, fd := range fds {
		if *named[i] = int32(fd); fd == closedFD {
			*named[i] = math.MaxInt32 // below 0 is none
		}
	}
	err := p.XDPSet(r)
	s.record.cannotSay(t.caller, r, err)
	return err
}

// XDP is [fake.Process.XDP] in a network namespace, of which nobody needs to have heard.
func (s *Sim) XDP(netns uint64, ifindex uint32) (x mprog.XDPInfo) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.callers[callerKey{netns: netns}]; p != nil {
		x = p.XDP(ifindex)
	}
	return x
}

// Watched reports whether any program sees the packets of a device of a network namespace.
func (s *Sim) Watched(netns uint64, ifindex uint32) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.resident(netns).Watched(ifindex)
}

// DriverXDP reports whether a device of the running kernel's with an ifindex has XDP in
// its driver, in whichever namespace.
func (s *Sim) DriverXDP(ifindex uint32) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for netns, list := range s.mirrored {
		if slices.Contains(list, ifindex) && s.resident(netns).XDP(ifindex).Driver {
			return true
		}
	}
	return false
}

// Tag returns the tag of a program, by its id.
func (t Traffic) Tag(prog uint32) (tag [8]byte) {
	t.sim.mu.Lock()
	defer t.sim.mu.Unlock()
	if p := t.sim.programs[prog]; p != nil {
		tag = p.tag
	}
	return tag
}

// lendTo opens a caller's fds in a process of the fake; done closes them.
func (s *Sim) lendTo(p *fake.Process, c Caller, fds []uint32) (done func()) {
	for i, fd := range fds {
		object, open := c.Object(fd)
		switch {
		case !open:
			fds[i] = closedFD
		case object == nil || object.Kind > Link:
			p.Install(fd, s.holder, notBPF)
		default:
			p.Install(fd, s.holder, object.held)
		}
	}
	return func() {
		for i, fd := range fds {
			if fd != closedFD && !slices.Contains(fds[:i], fd) {
				_ = p.Close(fd)
			}
		}
	}
}
