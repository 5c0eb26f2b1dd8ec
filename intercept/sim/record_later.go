package sim

import (
	"github.com/nkconform/nkconform/mprog"
)

// pending are calls about hooks that are not yet written as statements: what is
// written later costs the call nothing. What their statements depend on, and what
// the next call may change, is kept with them.
type pending struct {
	calls []pendingCall
	ids   []uint32 // of hooks: programs, then links
}

type pendingCall struct {
	request any
	made    uint32 // the id of a link
	err     error
	fds     pendingFDs
	netns   uint64 // the caller's

	// The hook afterwards.
	hook     recordedPlace
	known    bool
	revision uint64
	at, n    int // in ids
}

// pendingFDs are what a caller's fds were.
type pendingFDs struct {
	Caller // of which the recorder asks nothing else
	list   [4]pendingFD
	n      int
}

type pendingFD struct {
	fd   uint32
	o    *Object
	open bool
}

func (p *pendingFDs) Object(fd uint32) (*Object, bool) {
	for _, f := range p.list[:p.n] {
		if f.fd == fd {
			return f.o, f.open
		}
	}
	return nil, false
}

// link is the id of a link that an fd was, 0 if it was none.
func (p *pendingFDs) link(fd uint32) uint32 {
	if o, _ := p.Object(fd); o != nil && o.Kind == Link {
		return o.ID
	}
	return 0
}

func (p *pendingFDs) look(c Caller, fds ...uint32) {
	for _, fd := range fds {
		o, open := c.Object(fd)
		p.list[p.n] = pendingFD{fd, o, open}
		p.n++
	}
}

// note keeps a call about a hook that was answered; made is the id of a link.
func (r *recorder) note(c Caller, op mprog.Op, made uint32, request any, err error) {
	if !op.ChangesHook() {
		return
	}
	k := pendingCall{request: request, made: made, err: err, netns: c.Netns()}
	k.fds.look(c, requestFDs(op, request)...)
	switch q := request.(type) {
	case mprog.AttachRequest:
		k.hook = recordedPlace{k.netns, mprog.Hook{Ifindex: q.TargetIfindex, Type: q.AttachType}}
	case mprog.DetachRequest:
		k.hook = recordedPlace{k.netns, mprog.Hook{Ifindex: q.TargetIfindex, Type: q.AttachType}}
	case mprog.LinkCreateRequest:
		k.hook = recordedPlace{k.netns, mprog.Hook{Ifindex: q.TargetIfindex, Type: q.AttachType}}
		if err == nil {
			r.hooks[made] = k.hook
		}
	case mprog.LinkUpdateRequest:
		k.hook = r.hookOf(&k.fds, q.LinkFD)
	case mprog.LinkDetachRequest:
		k.hook = r.hookOf(&k.fds, q.LinkFD)
	}
	if err == nil {
		r.observe(&k)
	}
	if r.later.calls == nil {
		r.later.calls = make([]pendingCall, 0, 64)
	}
	r.later.calls = append(r.later.calls, k)
}

// observe keeps what a hook is like.
func (r *recorder) observe(k *pendingCall) {
	progs, links := &r.arrays[0], &r.arrays[1]
	looker := r.lookers[k.hook.netns]
	if looker == nil {
		looker = r.sim.resident(k.hook.netns).Unseen()
		r.lookers[k.hook.netns] = looker
	}
	q, err := looker.ProgQuery(mprog.QueryRequest{
		TargetIfindex: k.hook.Ifindex, AttachType: k.hook.Type, Count: hookRoom, ProgIDs: progs[:], LinkIDs: links[:],
	})
	if err != nil {
		return
	}
	n := int(q.Count)
	k.known, k.revision, k.at, k.n = true, q.Revision, len(r.later.ids), n
	r.later.ids = append(append(r.later.ids, progs[:n]...), links[:n]...)
}

// written returns the recorder of a kernel, nil if there is none, with all
// statements written.
func (s *Sim) written() *recorder {
	r := s.record
	if r == nil {
		return nil
	}
	for i := range r.later.calls {
		k := &r.later.calls[i]
		r.request(k)
	}
	clear(r.later.calls) // which may be kept otherwise
	r.later.calls, r.later.ids = r.later.calls[:0], r.later.ids[:0]
	return r
}
