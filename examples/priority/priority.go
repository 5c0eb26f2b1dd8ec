// Package priority is how agents that know of each other's priorities share a
// hook, with nobody in charge: each puts its own program where it belongs, and
// the hook's revision tells it when somebody else was faster.
package priority

import (
	"errors"
	"fmt"
	"syscall"

	"github.com/cilium/ebpf"

	"github.com/nkconform/nkconform/api/link"
	"github.com/nkconform/nkconform/mprog"
)

// attempts are enough, unless others do nothing but attach and detach.
const attempts = 10

// Owner attaches programs to netkit hooks by priority, lower numbers first.
type Owner struct {
	Kernel mprog.Kernel
	// Priorities are those of all owners' programs, by name. What is not
	// among them comes last.
	Priorities map[string]int
}

// Attach puts a program in front of the first one with a higher priority.
func (o Owner) Attach(ifindex int, prog *link.Program) (link.Link, error) {
	info, err := prog.Info()
	if err != nil {
		return nil, err
	}
	for range attempts {
		hook, err := o.query(ifindex)
		if err != nil {
			return nil, err
		}
		opts := link.NetkitOptions{
			Interface: ifindex, Program: prog, Attach: ebpf.AttachNetkitPrimary,
			Anchor: o.place(hook, o.Priorities[info.Name]), ExpectedRevision: hook.revision,
		}
		if len(hook.programs) == 0 {
			opts.ExpectedRevision = 0 // an empty hook says 1, whatever its revision is
		}
		l, err := link.AttachNetkit(o.Kernel, opts)
		if errors.Is(err, syscall.ESTALE) {
			continue // somebody was faster
		}
		if err != nil || len(hook.programs) > 0 {
			return l, err
		}
		// Nothing vouches for what happened to the empty hook before that. Of two who found
		// it empty, the one that came later stands behind, and makes room: if both did, they
		// could do so for ever.
		id, _ := info.ID()
		if hook, err = o.query(ifindex); err == nil && hook.inOrderUpTo(id) {
			return l, nil
		}
		if err := errors.Join(err, l.Close()); err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("attach %s: others came first %d times", info.Name, attempts)
}

type program struct {
	id       ebpf.ProgramID
	priority int
}

type hook struct {
	revision uint64
	programs []program
}

func (o Owner) query(ifindex int) (hook, error) {
	opts := link.QueryOptions{Target: ifindex, Attach: ebpf.AttachNetkitPrimary}
	res, err := link.QueryPrograms(o.Kernel, opts)
	for errors.Is(err, syscall.ENOSPC) { // there are more since they were counted
		res, err = link.QueryPrograms(o.Kernel, opts)
	}
	if err != nil {
		return hook{}, err
	}
	h := hook{revision: res.Revision}
	for _, p := range res.Programs {
		name, err := o.name(p.ID)
		if errors.Is(err, syscall.ENOENT) {
			continue // gone since; the revision will say so
		}
		if err != nil {
			return hook{}, err
		}
		priority, known := o.Priorities[name]
		if !known {
			priority = int(^uint(0) >> 1)
		}
		h.programs = append(h.programs, program{p.ID, priority})
	}
	return h, nil
}

func (o Owner) name(id ebpf.ProgramID) (string, error) {
	p, err := link.NewProgramFromID(o.Kernel, id)
	if err != nil {
		return "", err
	}
	defer p.Close()
	info, err := p.Info()
	if err != nil {
		return "", err
	}
	return info.Name, nil
}

func (o Owner) place(h hook, priority int) link.Anchor {
	for _, p := range h.programs {
		if p.priority > priority {
			return link.BeforeProgramByID(p.id)
		}
	}
	return link.Tail()
}

// inOrderUpTo reports whether nothing in front of a program belongs behind it.
func (h hook) inOrderUpTo(id ebpf.ProgramID) bool {
	front := 0 // the highest priority number so far
	for _, p := range h.programs {
		if p.id == id {
			return front <= p.priority
		}
		front = max(front, p.priority)
	}
	return true
}
