package sim

import (
	"github.com/nkconform/nkconform/fake"
	"github.com/nkconform/nkconform/mprog"
)

// Own has one of the kernel's own processes make a call, by its operation and
// request, and records it among those of the program. An fd that the process does
// not have open is looked up among the program's.
func (s *Sim) Own(p *fake.Process, netns uint64, op mprog.Op, request any, find func(fd uint32) *Object) (any, error) {
	quiet := p.Unseen()
	var lent []uint32
	for _, fd := range requestFDs(op, request) {
		if _, err := quiet.ObjectInfo(fd); err == nil {
			continue
		}
		if o := find(fd); o != nil && o.Kind <= Link && o.sim == s && p.Install(fd, s.holder, o.held) {
			lent = append(lent, fd)
		}
	}
	c := &own{netns: netns, objects: s.look(quiet, requestFDs(op, request))}
	answer, err := p.Witness(func(made *fake.Call, at fake.Stage, answer any, err error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.testify(&call{Sim: s, caller: c}, made, at, answer, err)
	}).Perform(op, request)
	for _, fd := range lent {
		_ = quiet.Close(fd)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.note(c, quiet, request, op, answer, err)
	s.sweep()
	return answer, err
}

// own is one of the kernel's own processes as a caller, for the recorder.
type own struct {
	Caller  // of which the recorder asks nothing else
	netns   uint64
	objects map[uint32]*Object
}

func (c *own) Netns() uint64 { return c.netns }

func (c *own) Object(fd uint32) (*Object, bool) {
	o := c.objects[fd]
	return o, o != nil
}

// look tells what fds of a process are, before a call that may close them.
func (s *Sim) look(p *fake.Process, fds []uint32) map[uint32]*Object {
	objects := make(map[uint32]*Object)
	for _, fd := range fds {
		if info, err := p.ObjectInfo(fd); err == nil {
			objects[fd] = objectOf(info)
		}
	}
	return objects
}

func objectOf(info mprog.ObjectInfo) *Object {
	o := &Object{Kind: Prog, ID: info.ID}
	if info.Kind == mprog.LinkObject {
		o.Kind = Link
	}
	return o
}

// note records a call of one of the kernel's own processes.
func (s *Sim) note(c *own, p *fake.Process, request any, op mprog.Op, answer any, err error) {
	r := s.written()
	if r == nil {
		return
	}
	made := &Object{}
	if fd, ok := answer.(uint32); ok && err == nil && makesFD[op] {
		if info, err := p.ObjectInfo(fd); err == nil {
			made = objectOf(info)
			r.opened(made)
		}
	}
	switch q := request.(type) {
	case mprog.ProgSpec:
		if err == nil {
			if q.Type == 0 {
				q.Type = mprog.SchedCLS
			}
			r.program(made, q)
		}
	case uint32:
		if o := c.objects[q]; o != nil && op == mprog.OpClose && err == nil {
			r.closed(o)
		}
	}
}

// makesFD has the operations that answer an fd.
var makesFD = map[mprog.Op]bool{
	mprog.OpProgLoad: true, mprog.OpLinkCreate: true, mprog.OpProgFDByID: true, mprog.OpLinkFDByID: true,
	mprog.OpDup: true, mprog.OpObjGet: true,
}

// OwnPin is BPF_OBJ_PIN of one of the kernel's own processes. Create makes the
// file.
func (s *Sim) OwnPin(p *fake.Process, r mprog.PinRequest, create func() (PinKey, mprog.Errno)) error {
	switch info, err := p.Unseen().ObjectInfo(r.FD); {
	case r.Flags != 0:
		return refused(mprog.OpObjPin, "pin/flags", mprog.EINVAL)
	case err != nil || info.ID == 0:
		return refused(mprog.OpObjPin, "pin/bad-fd", mprog.EINVAL)
	}
	key, errno := create()
	if errno != 0 {
		return refused(mprog.OpObjPin, "pin/path", errno)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	held, _ := s.holder.Keep(p, r.FD)
	o, err := s.adopt(held)
	if err != nil {
		return err
	}
	s.pins[key], o.path = o, r.Path
	s.written().pinned(r.Path, o)
	return nil
}

// OwnGet is BPF_OBJ_GET of one of the kernel's own processes, of a pin's file.
func (s *Sim) OwnGet(p *fake.Process, r mprog.GetRequest, key PinKey, errno mprog.Errno) (fd uint32, err error) {
	if errno != 0 {
		return 0, refused(mprog.OpObjGet, "get/path", errno)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.pins[key]
	switch {
	case r.Flags&^getFlags != 0 || r.Flags&getFlags == getFlags:
		return 0, refused(mprog.OpObjGet, "get/flags", mprog.EINVAL)
	case o == nil || o.Kind > Link:
		return 0, refused(mprog.OpObjGet, "get/not-pinned", mprog.EACCES)
	case o.Kind == Link && r.Flags&getFlags != 0:
		return 0, refused(mprog.OpObjGet, "get/link-mode", mprog.EINVAL)
	}
	fd, _ = p.Keep(s.holder, o.held)
	return fd, nil
}

func refused(op mprog.Op, rule mprog.Rule, errno mprog.Errno) error {
	return &mprog.Error{Op: op, Rule: rule, Errno: errno}
}

// End lets go of all pins, and tells where they are.
func (s *Sim) End() (paths []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, o := range s.pins {
		paths = append(paths, o.path)
		delete(s.pins, key)
		o.close()
	}
	return paths
}
