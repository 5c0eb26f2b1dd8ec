package sim

import (
	"bytes"

	"github.com/nkconform/nkconform/fake"
	"github.com/nkconform/nkconform/mprog"
)

// guest makes a process that stands for callers.
func (s *Sim) guest(neighbour *fake.Process, key callerKey, without ...mprog.Capability) *fake.Process {
	p := s.kernel.Guest(neighbour, without...)
	if s.record != nil {
		p = p.Witness(func(c *fake.Call, at fake.Stage, answer any, err error) { s.testify(&s.inHand, c, at, answer, err) })
	}
	p.Around(func(do func()) { s.yield(p, key, without, do) })
	s.guests = append(s.guests, p)
	return p
}

// yield does something in the middle of a call. Calls that are answered meanwhile
// find no trace of this one: another process stands for the same callers, since
// the fds of this call are open in the first.
func (s *Sim) yield(p *fake.Process, key callerKey, without []mprog.Capability, do func()) {
	if s.callers[key] == p {
		s.callers[key] = s.guest(p, key, without...)
		s.lastStandIn = nil
	}
	if t, ok := s.inHand.caller.(interface{ Thread() uint32 }); ok {
		p.OfThread(t.Thread())
	}
	s.pause(do)
}

// announced makes a call that the fake does not answer, so that it is told of it.
func (k *call) announced(cmd *command) error {
	err := k.standIn(k.caller).Announce(cmd.op, k.described(cmd.op), func() (any, error) {
		err := cmd.handle(k)
		if k.New != nil && err == nil {
			return k.New.ID, nil
		}
		return nil, err
	})
	if err != nil && k.New != nil { // made, but the answer is lost
		k.New.close()
		k.New = nil
	}
	return err
}

// described decodes the request of a call that the fake does not answer, as far
// as package mprog has one.
func (k *call) described(op mprog.Op) any {
	switch op {
	case mprog.OpObjPin:
		_, path, _ := k.path()
		return mprog.PinRequest{Path: path, FD: k.u32(8), Flags: k.u32(12)}
	case mprog.OpObjGet:
		_, path, _ := k.path()
		return mprog.GetRequest{Path: path, Flags: k.u32(12)}
	case mprog.OpProgLoad:
		name, _, _ := bytes.Cut(k.attr[loadName:loadName+nameSize], []byte{0})
		return mprog.ProgSpec{Type: mprog.ProgType(k.u32(0)), Name: string(name)}
	case mprog.OpObjectInfo:
		return k.u32(0)
	}
	return nil
}

// Kernel is the kernel that answers.
func (s *Sim) Kernel() *fake.Kernel { return s.kernel }

// Owns reports whether an object is of this kernel.
func (s *Sim) Owns(o *Object) bool { return o.sim == s }

// Leak says what a reference of the program's keeps; 0 is nothing that counts as
// a leak.
func (s *Sim) Leak(o *Object) (fake.Leak, string) {
	if o.Kind > Link {
		return 0, ""
	}
	return s.holder.Describe(o.held)
}

// Lost lists what calls have made whose answers were lost (see
// [fake.Kernel.After]).
func (s *Sim) Lost() (list []fake.Left) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.guests {
		list = append(list, p.Leaks()...)
	}
	return list
}

// Pinned lists the pins of programs and links: what they are, and the paths by
// which they were made.
func (s *Sim) Pinned() (list map[PinKey][2]string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	list = make(map[PinKey][2]string)
	for key, o := range s.pins {
		if kind, what := s.Leak(o); kind != 0 {
			list[key] = [2]string{what, o.path}
		}
	}
	return list
}
