package machine

import (
	"errors"
	"fmt"
)

// memory is what a run can reach: pieces, far from each other, so that no
// calculation leads from one to the next.
type memory struct {
	regions [][]byte
	few     [16][]byte
	shared  map[*byte]uint64 // addresses of what is the world's
	ctx     uint64           // address of the context
	data    uint64           // and of the packet

	objects   map[uint64]*object // the kernel's, by the number of a piece that is nil
	sockets   map[uint64]*Socket // whose structures are there, likewise
	tasks     map[uint64]*Task   // whose structures are at addresses
	cgroups   map[uint64]uint64  // ids of those
	sock      uint64             // of the packet's sender, 0: none yet
	kernelCtx uint64             // address of what the context stands for, 0: none yet
	devices   map[uint32]uint64  // addresses, by ifindex
}

const regionBits = 32

// add makes a piece reachable, and returns its address.
func (m *memory) add(p []byte) uint64 {
	m.regions = append(m.regions, p)
	return uint64(len(m.regions)) << regionBits
}

// share is add for a piece that may be so already.
func (m *memory) share(p []byte) uint64 {
	if len(p) == 0 {
		return m.add(p)
	}
	if known, ok := m.shared[&p[0]]; ok {
		return known
	}
	if m.shared == nil {
		m.shared = make(map[*byte]uint64)
	}
	m.shared[&p[0]] = m.add(p)
	return m.shared[&p[0]]
}

// bytes returns the memory at an address.
func (m *memory) bytes(address uint64, size int) ([]byte, error) {
	n, at := address>>regionBits, address&(1<<regionBits-1)
	if n == 0 || n > uint64(len(m.regions)) || size < 0 || at+uint64(size) > uint64(len(m.regions[n-1])) {
		return nil, fmt.Errorf("%d bytes at %#x are out of reach", size, address)
	}
	return m.regions[n-1][at:][:size], nil
}

func (m *run) load(address uint64, size int) (uint64, error) {
	if address>>regionBits == m.ctx>>regionBits {
		return m.loadContext(address-m.ctx, size)
	}
	p, err := m.bytes(address, size)
	if err != nil {
		if m.objects[address>>regionBits] == nil {
			return 0, err
		}
		if p, err = m.peek(address, size); err != nil {
			return 0, err
		}
	}
	return number(p, size), nil
}

func (m *run) store(address uint64, size int, v uint64) error {
	if address>>regionBits == m.ctx>>regionBits {
		return m.storeContext(address-m.ctx, size, v)
	}
	p, err := m.bytes(address, size)
	if err != nil {
		return err
	}
	put(p, size, v)
	return nil
}

// Maps are known by numbers that are no addresses.
const mapSpace = 1 << 62

func mapAddress(id uint32) uint64 { return mapSpace | uint64(id) }

var errNoMap = errors.New("no such map")

func (m *run) mapAt(address uint64) (Map, error) {
	if address&^uint64(1<<32-1) != mapSpace {
		return nil, errNoMap
	}
	of := m.world.Map(uint32(address))
	if of == nil {
		return nil, errNoMap
	}
	return of, nil
}
