package fake

// ownIDs are the ids of what a process makes, where they are its own.
type ownIDs struct {
	base         uint32 // 0: it takes the machine's
	progs, links uint32 // how many it has made
}

// next returns the next id: the machine's, or the process's own.
func (o *ownIDs) next(own, machine *uint32) uint32 {
	if o.base == 0 {
		*machine++
		return *machine
	}
	*own++
	return o.base + *own
}

// OwnIDs has the programs and links that the process makes from now on get ids above
// base, instead of the lowest that is free on the machine, and the names that they
// were loaded with, whoever else has them. So what the ids are does not depend on what
// other processes do meanwhile. Nobody else may have ids from there on.
func (p *Process) OwnIDs(base uint32) {
	p.kernel.mu.Lock()
	defer p.kernel.mu.Unlock()
	p.ids = ownIDs{base: base}
}
