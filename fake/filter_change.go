package fake

import (
	"fmt"
	"slices"

	"github.com/nkconform/nkconform/mprog"
)

// FilterAdd adds a cls_bpf filter, or replaces the one of that handle in its place
// (RTM_NEWTFILTER). It fails with
//   - EPERM without CAP_NET_ADMIN, before all else;
//   - ENOENT for priority 0 without CREATE; ENODEV without the device;
//   - EINVAL without the qdisc, ENOENT or EINVAL for a parent that is none of its hooks;
//   - EINVAL for a chain from 2^28 on;
//   - ENOSPC for priority 0 when 32768 is taken, EINVAL for another protocol than the
//     priority has, or none where it is new;
//   - ENOENT without CREATE when there is no such filter, EEXIST with EXCL when there is;
//   - EINVAL for flags other than direct action, EBADF or EINVAL when the fd is not a
//     SCHED_CLS program's.
func (p *Process) FilterAdd(r mprog.FilterRequest) error {
	_, err := p.NewFilter(r)
	return err
}

// NewFilter is [Process.FilterAdd], and returns the filter as it is listed.
func (p *Process) NewFilter(r mprog.FilterRequest) (mprog.Filter, error) {
	return do(p, mprog.OpFilterAdd, r, (*Process).filterAdd)
}

// filterAdd is tc_new_tfilter.
func (p *Process) filterAdd(r mprog.FilterRequest) (made mprog.Filter, err error) {
	if err := p.mayChangeTC(); err != nil {
		return made, err
	}
	create := r.Flags&mprog.NLCreate != 0
	if r.Priority == 0 && !create {
		return made, refuse(filterPriorityZero, "priority 0, and create is not asked for")
	}
	b, err := p.anyBlock(&r)
	if err != nil {
		return made, err
	}
	b.parent = mprog.FilterParent(r.Type) // also when the rest is refused
	if err := chainInRange(&r); err != nil {
		return made, err
	}
	c := b.chain(r.Chain)
	if c == nil {
		c = &chain{index: r.Chain}
		b.chains = append(b.chains, c)
	}
	defer b.sweep() // nothing is left of what is refused
	taken := filterAutoTaken
	if !p.kernel.release.noIDsLeft {
		taken = filterAutoTakenEarly
	}
	pr, err := c.priority(&r, taken)
	if err != nil {
		return made, err
	}
	at, old := pr.find(r.Handle)
	switch {
	case old == nil && !create:
		return made, refuse(filterCreate, "there is no filter %#x of priority %d, and create is not asked for", r.Handle, pr.number)
	case old != nil && r.Flags&mprog.NLExcl != 0:
		return made, refuse(filterExists, "there is a filter %#x of priority %d", r.Handle, pr.number)
	}
	f, err := p.newFilter(&r, old)
	switch {
	case err != nil:
		return made, err
	case old != nil:
		pr.filters[at] = f
		old.prog.put()
		return b.told(c, pr, f), nil
	case f.handle == 0:
		f.handle = pr.freeHandle()
	}
	pr.filters = slices.Insert(pr.filters, 0, f)
	return b.told(c, pr, f), nil
}

// block finds what a request is about, and checks the number of the chain.
func (p *Process) block(r *mprog.FilterRequest) (*block, error) {
	b, err := p.anyBlock(r)
	if err == nil {
		err = chainInRange(r)
	}
	return b, err
}

// anyBlock finds what a request is about.
func (p *Process) anyBlock(r *mprog.FilterRequest) (*block, error) {
	if r.Ifindex == magicBlock {
		return nil, refuse(filterShared, "block %d", mprog.FilterParent(r.Type))
	}
	d, err := p.deviceOfTC(r.Ifindex)
	if err != nil {
		return nil, err
	}
	b, err := d.block(mprog.FilterParent(r.Type))
	if err != nil {
		return nil, err
	}
	p.passed(filterNoQdisc, uint64(r.Ifindex), 0)
	return b, nil
}

func chainInRange(r *mprog.FilterRequest) error {
	if r.Chain > lastChain {
		return refuse(filterChainRange, "chain %#x", r.Chain)
	}
	return nil
}

// magicBlock is TCM_IFINDEX_MAGIC_BLOCK.
const magicBlock = 0xffffffff

// lastChain is TC_ACT_EXT_VAL_MASK.
const lastChain = 1<<28 - 1

// priority finds the priority of a new filter, or makes it; where none is left to
// choose it refuses by the rule taken.
func (c *chain) priority(r *mprog.FilterRequest, taken *RuleInfo) (*priority, error) {
	number := r.Priority
	if number == 0 {
		var err error
		if number, err = c.auto(taken); err != nil {
			return nil, err
		}
	}
	at, pr := c.find(number)
	switch {
	case pr == nil && (r.Protocol == 0 || r.Kind == ""):
		return nil, refuse(filterProtocol, "priority %d is new, and no protocol or kind is given", number)
	case pr == nil && r.Flags&mprog.NLCreate == 0:
		return nil, refuse(filterCreate, "there is no priority %d, and create is not asked for", number)
	case pr == nil && r.Kind != mprog.BPFKind:
		return nil, fmt.Errorf("%s: %w: filters of kind %s", mprog.OpFilterAdd, mprog.ErrUnsupported, r.Kind)
	case pr == nil:
		pr = &priority{number: number, protocol: r.Protocol}
		c.priorities = slices.Insert(c.priorities, at, pr)
	default:
		return pr, pr.takes(r)
	}
	return pr, nil
}

// takes refuses another protocol or kind than the priority's.
func (pr *priority) takes(r *mprog.FilterRequest) error {
	switch {
	case r.Protocol != 0 && r.Protocol != pr.protocol:
		return refuse(filterMismatch, "priority %d is of protocol %#x, not %#x", pr.number, pr.protocol, r.Protocol)
	case r.Kind != "" && r.Kind != mprog.BPFKind:
		return refuse(filterKind, "priority %d has filters of kind bpf, not %s", pr.number, r.Kind)
	}
	return nil
}

// newFilter is the part of cls_bpf_change that reads a request. Old is the filter to
// be replaced, nil if there is none.
func (p *Process) newFilter(r *mprog.FilterRequest, old *filter) (*filter, error) {
	switch {
	case r.BPFFlags&^mprog.DirectAction != 0:
		return nil, refuse(filterFlags, "flags %#x", r.BPFFlags)
	case r.GenFlags&^genFlags != 0, r.GenFlags == genFlags:
		return nil, refuse(filterGenFlags, "flags %#x", r.GenFlags)
	}
	prog, err := p.progByFD("fd", r.FD, filterBadFD, filterNotProg)
	switch {
	case err != nil:
		return nil, err
	case prog.typ != mprog.SchedCLS:
		return nil, refuse(filterType, "fd %d is a program of type %d, not %d (SCHED_CLS)", r.FD, prog.typ, mprog.SchedCLS)
	case old != nil && old.gen != r.GenFlags:
		return nil, refuse(filterGenChange, "flags %#x, not %#x", r.GenFlags, old.gen)
	case r.GenFlags&skipSoftware != 0:
		return nil, refuse(filterHardware, "flags %#x", r.GenFlags)
	}
	return &filter{
		handle: r.Handle, prog: prog.get(), flags: r.BPFFlags, gen: r.GenFlags, classID: r.ClassID, name: r.Name,
	}, nil
}

// FilterDelete removes a filter, with handle 0 all of the priority, with priority 0
// all of the chain (RTM_DELTFILTER). It fails with
//   - EPERM without CAP_NET_ADMIN, before all else;
//   - ENOENT for priority 0 with a protocol or a handle;
//   - ENODEV and so on as FilterAdd for what both check;
//   - ENOENT without the chain, the priority or the filter, EINVAL for another protocol
//     than the priority has.
//
// To remove all of a chain that is not there succeeds.
func (p *Process) FilterDelete(r mprog.FilterRequest) error {
	return do0(p, mprog.OpFilterDelete, r, (*Process).filterDelete)
}

// filterDelete is tc_del_tfilter.
func (p *Process) filterDelete(r mprog.FilterRequest) error {
	if err := p.mayChangeTC(); err != nil {
		return err
	}
	if r.Priority == 0 && (r.Protocol != 0 || r.Handle != 0 || r.Kind != "") {
		return refuse(filterFlush, "priority 0, protocol %#x, handle %#x, kind %q", r.Protocol, r.Handle, r.Kind)
	}
	b, err := p.block(&r)
	if err != nil {
		return err
	}
	defer b.sweep()
	c := b.chain(r.Chain)
	switch {
	case c == nil && r.Priority == 0:
		return nil
	case c == nil:
		return refuse(filterNoChain, "there is no chain %d", r.Chain)
	case r.Priority == 0:
		c.flush()
		return nil
	}
	_, pr := c.find(r.Priority)
	if pr == nil {
		return refuse(filterNoPriority, "there is no priority %d", r.Priority)
	}
	if err := pr.takes(&r); err != nil {
		return err
	}
	if r.Handle == 0 {
		pr.flush()
		return nil
	}
	at, f := pr.find(r.Handle)
	if f == nil {
		return refuse(filterNoHandle, "priority %d has no filter %#x", r.Priority, r.Handle)
	}
	pr.filters = slices.Delete(pr.filters, at, at+1)
	f.prog.put()
	return nil
}
