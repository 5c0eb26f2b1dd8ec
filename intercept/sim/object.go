package sim

import "github.com/nkconform/nkconform/mprog"

// Kind tells the kinds of BPF objects apart.
type Kind uint8

// The kinds that fds refer to.
const (
	Prog Kind = iota + 1
	Link
	Map
	BTF
	Stats    // BPF_ENABLE_STATS
	Iterator // BPF_ITER_CREATE
)

// Object is what an fd refers to: an open file description, with a reference on
// a program, link, map or BTF.
type Object struct {
	Kind Kind
	ID   uint32

	sim  *Sim
	held uint32 // of a program or link: the holder's fd
	path string // of a pin, as it was asked for
	made bool   // of a link: by the call that made it, not found by its id or a pin
	m    *bpfMap
	only uint32 // of a map: readOnly or writeOnly, as the fd is open
	b    *btf
}

// String returns what readlink(2) says of the object's fd in /proc.
func (o *Object) String() string {
	switch o.Kind {
	case Prog:
		return "anon_inode:bpf-prog"
	case Link:
		if o.made {
			return "anon_inode:bpf_link"
		}
		return "anon_inode:bpf-link"
	case Map:
		return "anon_inode:bpf-map"
	case Stats:
		return "anon_inode:bpf-stats"
	case Iterator:
		return "anon_inode:bpf_iter"
	}
	return "anon_inode:btf"
}

// Ring reports whether the object is a ring buffer that programs write to.
func (o *Object) Ring() bool { return o.m != nil && o.m.typ == ringBuffer }

// Memory returns what mmap(2) of the object maps, nil for nothing.
func (o *Object) Memory() Memory {
	if o.m == nil || len(o.m.special.fields) > 0 {
		return nil
	}
	return o.m.memory
}

// Close lets go of the reference, because the last copy of the fd was closed.
func (o *Object) Close() {
	o.sim.mu.Lock()
	defer o.sim.mu.Unlock()
	o.close()
}

func (o *Object) close() {
	s := o.sim
	switch o.Kind {
	case Map:
		o.m.leave(o)
		s.putMap(o.m)
	case BTF:
		s.putBTF(o.b)
	case Stats:
	case Iterator:
		_ = s.holder.Close(o.held)
		s.sweep()
	default:
		_ = s.holder.Close(o.held) // open, or it were not here
		s.written().closed(o)
		s.sweep()
	}
}

// clone makes another description of the same object.
func (o *Object) clone() *Object {
	s := o.sim
	n := *o
	n.made, n.only = false, 0
	switch o.Kind {
	case Map:
		o.m.refs++
	case BTF:
		o.b.refs++
	default:
		n.held, _ = s.holder.Keep(s.holder, o.held)
		s.written().opened(&n)
	}
	return &n
}

// adopt makes an object of what the holder has open as held.
func (s *Sim) adopt(held uint32) (*Object, error) {
	info, err := s.holder.ObjectInfo(held)
	if err != nil {
		return nil, err
	}
	o := &Object{Kind: Prog, ID: info.ID, sim: s, held: held}
	if info.Kind == mprog.LinkObject {
		o.Kind = Link
	}
	s.written().opened(o)
	return o, nil
}

// sweep forgets what is known of programs that are gone, and with it their
// references on maps and BTF.
func (s *Sim) sweep() {
	s.releaseInert()
	for id, p := range s.programs {
		if s.kernel.HasProg(id) {
			continue
		}
		delete(s.programs, id)
		for _, m := range p.maps {
			s.putMap(m)
		}
		if p.btf != nil {
			s.putBTF(p.btf)
		}
	}
}
