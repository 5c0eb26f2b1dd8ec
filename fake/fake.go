package fake

import (
	"sync"

	"github.com/nkconform/nkconform/mprog"
)

// Kernel is a simulated machine and its first process, which has all
// capabilities. Its methods may be called concurrently.
type Kernel struct {
	*Process

	mu      sync.Mutex // held by every command from start to end
	missing map[mprog.Feature]bool

	progs      map[uint32]*program // by id
	links      map[uint32]*link    // by id
	lastProgID uint32
	lastLinkID uint32
}

var _ mprog.Environment = (*Kernel)(nil)

// Option changes what [New] makes.
type Option func(*Kernel)

// Without makes a kernel that is built without a feature.
func Without(f mprog.Feature) Option {
	return func(k *Kernel) { k.missing[f] = true }
}

// New returns a machine of its own, whose only device is lo. Without options it
// is the newest kernel known, with every feature.
func New(opts ...Option) *Kernel {
	k := &Kernel{
		missing: make(map[mprog.Feature]bool),
		progs:   make(map[uint32]*program),
		links:   make(map[uint32]*link),
	}
	for _, o := range opts {
		o(k)
	}
	k.Process = k.newProcess(newNetns(), allCapabilities)
	return k
}
