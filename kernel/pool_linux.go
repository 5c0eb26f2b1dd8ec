package kernel

import (
	"errors"
	"sync"

	"github.com/nkconform/nkconform/mprog"
)

// Pool hands out environments, and renews those that are shut down instead of
// making new ones: on an emulated machine that is ten times as fast. The zero
// value is ready for use.
type Pool struct {
	mu     sync.Mutex
	free   []*Kernel
	broken []*Kernel // not to be used again, and not shut down yet
}

// New returns an environment as [New] does. Its Shutdown gives it back.
func (p *Pool) New() (mprog.Environment, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	k, err := p.next()
	if err != nil {
		return nil, err
	}
	p.free = p.free[:len(p.free)-1]
	return leased{k, p}, nil
}

// next returns the free environment that New hands out next. The caller holds p.mu.
func (p *Pool) next() (*Kernel, error) {
	if len(p.free) == 0 {
		k, err := New()
		if err != nil {
			return nil, err
		}
		p.free = append(p.free, k)
	}
	return p.free[len(p.free)-1], nil
}

// Run calls f on the thread of the environment that New hands out next, as
// [Kernel.Run] does. There, unlike in that, f may open and shut down environments of
// the pool, one at a time.
func (p *Pool) Run(f func()) error {
	p.mu.Lock()
	k, err := p.next()
	p.mu.Unlock()
	if err != nil {
		return err
	}
	return errors.Join(k.Run(f), p.shutDown(&p.broken))
}

// Close shuts down the environments that have been given back.
func (p *Pool) Close() error { return errors.Join(p.shutDown(&p.free), p.shutDown(&p.broken)) }

func (p *Pool) shutDown(list *[]*Kernel) (err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, k := range *list {
		err = errors.Join(err, k.Shutdown())
	}
	*list = nil
	return err
}

// leased is an environment of a pool.
type leased struct {
	*Kernel
	pool *Pool
}

// Shutdown renews the environment and gives it back. When it cannot be renewed, the
// error says why, and nobody gets it again. Nor does anybody get one whose lo has had a
// qdisc: the kernel remembers that.
func (l leased) Shutdown() error {
	err := l.Renew()
	l.pool.mu.Lock()
	defer l.pool.mu.Unlock()
	if err != nil || l.filters.worn.Load() {
		l.pool.broken = append(l.pool.broken, l.Kernel)
	} else {
		l.pool.free = append(l.pool.free, l.Kernel)
	}
	return err
}
