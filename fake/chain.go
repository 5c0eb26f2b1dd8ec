package fake

import "github.com/nkconform/nkconform/mprog"

// The operations on chains of filters by themselves, as refusals name them.
const (
	opChainAdd    mprog.Op = "chain add"    // RTM_NEWCHAIN
	opChainDelete mprog.Op = "chain delete" // RTM_DELCHAIN
)

// ChainAdd makes a chain that stays without filters (RTM_NEWCHAIN), by the request's
// hook, chain and flags. It fails as [Process.FilterAdd] does for what both check, with
// EEXIST for a chain that is there, and with ENOENT without CREATE.
func (p *Process) ChainAdd(r mprog.FilterRequest) error {
	return do0(p, opChainAdd, r, (*Process).chainAdd)
}

// chainAdd is tc_ctl_chain.
func (p *Process) chainAdd(r mprog.FilterRequest) error {
	b, err := p.blockToChange(&r)
	switch {
	case err != nil:
		return err
	case b.chain(r.Chain) != nil:
		return refuse(chainExists, "there is a chain %d", r.Chain)
	case r.Flags&mprog.NLCreate == 0:
		return refuse(chainCreate, "there is no chain %d, and create is not asked for", r.Chain)
	}
	b.chains = append(b.chains, &chain{index: r.Chain, stays: true})
	return nil
}

// ChainDelete removes a chain with its filters (RTM_DELCHAIN). It fails as
// [Process.FilterAdd] does for what both check, and with EINVAL without the chain.
func (p *Process) ChainDelete(r mprog.FilterRequest) error {
	return do0(p, opChainDelete, r, (*Process).chainDelete)
}

// chainDelete is tc_ctl_chain.
func (p *Process) chainDelete(r mprog.FilterRequest) error {
	b, err := p.blockToChange(&r)
	if err != nil {
		return err
	}
	c := b.chain(r.Chain)
	if c == nil {
		return refuse(filterGetNoChain, "there is no chain %d", r.Chain)
	}
	c.flush()
	c.stays = false
	b.sweep()
	return nil
}

func (p *Process) blockToChange(r *mprog.FilterRequest) (*block, error) {
	if err := p.mayChangeTC(); err != nil {
		return nil, err
	}
	return p.block(r)
}

// Chains returns the numbers of a hook's chains, in the order in which they came.
func (p *Process) Chains(h mprog.Hook) (list []uint32) {
	p.kernel.mu.Lock()
	defer p.kernel.mu.Unlock()
	d := p.net.devices[h.Ifindex]
	if d == nil {
		return nil
	}
	b, err := d.block(mprog.FilterParent(h.Type))
	if err != nil {
		return nil
	}
	for _, c := range b.chains {
		list = append(list, c.index)
	}
	return list
}
