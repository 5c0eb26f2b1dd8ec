package conformance

import (
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/nkconform/nkconform/mprog"
	"github.com/nkconform/nkconform/trace"
)

// cgroups returns who makes cgroups.
func (p *player) cgroups() (mprog.Cgroups, error) {
	c, ok := p.env.(mprog.Cgroups)
	if !ok {
		return nil, fmt.Errorf("%w: cgroups", mprog.ErrUnsupported)
	}
	return c, nil
}

func (p *player) cgroup(s *trace.Statement) (trace.Outcome, error) {
	c, err := p.cgroups()
	if err != nil {
		return trace.Outcome{}, err
	}
	name := s.Operands[0]
	fd, id, err := c.NewCgroup(mprog.CgroupSpec{Name: name, Parent: p.fdParam(s, "parent")})
	if err == nil {
		p.names.fd[name], p.names.made[name], p.names.cgroup[id] = fd, name, name
	}
	return p.outcome(err)
}

func (p *player) cgroupRemove(s *trace.Statement) (trace.Outcome, error) {
	c, err := p.cgroups()
	if err != nil {
		return trace.Outcome{}, err
	}
	return p.outcome(c.RemoveCgroup(resolve(s.Operands[0], p.names.fd)))
}

func (p *player) cgroupEnter(s *trace.Statement) (trace.Outcome, error) {
	m, ok := p.caller(s).(mprog.CgroupMember)
	if !ok {
		return trace.Outcome{}, fmt.Errorf("%w: a process that moves to a cgroup", mprog.ErrUnsupported)
	}
	return p.outcome(m.EnterCgroup(resolve(s.Operands[0], p.names.fd)))
}

func (p *player) datagram(s *trace.Statement) (trace.Outcome, error) {
	c, err := p.cgroups()
	if err != nil {
		return trace.Outcome{}, err
	}
	d, err := c.SendDatagram(p.names.process[s.Process], p.names.process[s.Operands[0]])
	if err != nil {
		return p.outcome(err)
	}
	return p.delivered(d), nil
}

// isCgroup reports whether a word names a hook of a cgroup that the trace has made.
func (s *scope) isCgroup(word string) bool {
	named, typ, _ := trace.SplitHook(word)
	_, made := s.made[named]
	return made && typ.Cgroup()
}

// closedCgroup notes that a name's fd is closed. If it was that of a cgroup by which its hooks are
// asked about, another one's takes its place.
func (s *scope) closedCgroup(name string) {
	was, ok := s.made[name]
	delete(s.made, name)
	if !ok || was != name {
		return
	}
	others := slices.DeleteFunc(slices.Sorted(maps.Keys(s.made)), func(g string) bool { return s.made[g] != was })
	for _, g := range others {
		s.made[g] = others[0]
	}
}

// cgroupName returns what a cgroup is called in the trace, or its id.
func (s *scope) cgroupName(id uint64) string {
	if name, ok := s.cgroup[id]; ok {
		return name
	}
	return strconv.FormatUint(id, 10)
}
