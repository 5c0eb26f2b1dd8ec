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
	mu   sync.Mutex
	free []*Kernel
}

// New returns an environment as [New] does. Its Shutdown gives it back.
func (p *Pool) New() (mprog.Environment, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if n := len(p.free); n > 0 {
		k := p.free[n-1]
		p.free = p.free[:n-1]
		return leased{k, p}, nil
	}
	k, err := New()
	if err != nil {
		return nil, err
	}
	return leased{k, p}, nil
}

// Close shuts down the environments that have been given back.
func (p *Pool) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	var err error
	for _, k := range p.free {
		err = errors.Join(err, k.Shutdown())
	}
	p.free = nil
	return err
}

// leased is an environment of a pool.
type leased struct {
	*Kernel
	pool *Pool
}

// Shutdown renews the environment and gives it back. One that cannot be renewed
// is shut down for good, and the error says why.
func (l leased) Shutdown() error {
	if err := l.Renew(); err != nil {
		return errors.Join(err, l.Kernel.Shutdown())
	}
	l.pool.mu.Lock()
	defer l.pool.mu.Unlock()
	l.pool.free = append(l.pool.free, l.Kernel)
	return nil
}
