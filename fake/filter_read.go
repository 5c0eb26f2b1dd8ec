package fake

import "github.com/nkconform/nkconform/mprog"

// FilterList lists the filters of a hook (RTM_GETTFILTER). Where there is no such
// hook, qdisc or device there are none.
func (p *Process) FilterList(h mprog.Hook) ([]mprog.Filter, error) {
	return do(p, mprog.OpFilterList, h, (*Process).filterList)
}

// filterList is tc_dump_tfilter.
func (p *Process) filterList(h mprog.Hook) ([]mprog.Filter, error) {
	d := p.net.devices[h.Ifindex]
	if d == nil {
		return nil, nil
	}
	b, err := d.block(mprog.FilterParent(h.Type))
	if _, refused := mprog.ErrnoOf(err); !refused {
		return nil, err
	}
	if b == nil {
		return nil, nil
	}
	return b.list(), nil
}

// opFilterGet is RTM_GETTFILTER of one filter.
const opFilterGet mprog.Op = "filter get"

// FilterGet finds a filter by its chain, priority and handle (RTM_GETTFILTER). It
// fails as [Process.FilterDelete] does, but for EINVAL without the chain.
func (p *Process) FilterGet(r mprog.FilterRequest) (mprog.Filter, error) {
	return do(p, opFilterGet, r, (*Process).filterGet)
}

// filterGet is tc_get_tfilter.
func (p *Process) filterGet(r mprog.FilterRequest) (found mprog.Filter, err error) {
	if r.Priority == 0 {
		return found, refuse(filterPriorityZero, "priority 0")
	}
	b, err := p.block(&r)
	if err != nil {
		return found, err
	}
	c := b.chain(r.Chain)
	if c == nil {
		return found, refuse(filterGetNoChain, "there is no chain %d", r.Chain)
	}
	_, pr := c.find(r.Priority)
	if pr == nil {
		return found, refuse(filterNoPriority, "there is no priority %d", r.Priority)
	}
	if err := pr.takes(&r); err != nil {
		return found, err
	}
	_, f := pr.find(r.Handle)
	if f == nil {
		return found, refuse(filterNoHandle, "priority %d has no filter %#x", r.Priority, r.Handle)
	}
	return b.told(c, pr, f), nil
}

// Qdisc returns the kind of a device's clsact or ingress qdisc, "" if it has none.
func (p *Process) Qdisc(ifindex uint32) mprog.QdiscKind {
	p.kernel.mu.Lock()
	defer p.kernel.mu.Unlock()
	if d := p.net.devices[ifindex]; d != nil && d.qdisc != nil {
		return d.qdisc.kind
	}
	return ""
}

// QdiscCounts returns what a device's clsact or ingress qdisc has counted.
func (p *Process) QdiscCounts(ifindex uint32) (counts mprog.QdiscCounts) {
	p.kernel.mu.Lock()
	defer p.kernel.mu.Unlock()
	if d := p.net.devices[ifindex]; d != nil && d.qdisc != nil {
		counts = d.qdisc.counts
	}
	return counts
}

// Qdiscs returns the clsact and ingress qdiscs of the process's network namespace, by
// ifindex.
func (p *Process) Qdiscs() map[uint32]mprog.QdiscKind {
	p.kernel.mu.Lock()
	defer p.kernel.mu.Unlock()
	found := map[uint32]mprog.QdiscKind{}
	for ifindex, d := range p.net.devices {
		if d.qdisc != nil {
			found[ifindex] = d.qdisc.kind
		}
	}
	return found
}
