package sim

import (
	"testing"
)

// Whatever bytes a program hands over, there is an answer, and what was made is
// gone when its fds are closed.
func FuzzBPF(f *testing.F) {
	f.Add(uint32(5), []byte{3, 0, 0, 0, 1, 0, 0, 0}, uint32(8))
	f.Add(uint32(0), attrOf(2, 4, 8, 1), uint32(16))
	f.Add(uint32(28), attrOf(3, 1, 46, 0), uint32(16))
	f.Add(uint32(16), attrOf(1, 46, 0, 0, uint64(base), 64), uint32(64))
	f.Add(uint32(15), attrOf(3, 232, uint64(base+256)), uint32(16))
	f.Add(uint32(1), attrOf(4, 0, uint64(base), uint64(base)), uint32(32))
	f.Fuzz(func(t *testing.T, number uint32, attr []byte, size uint32) {
		p := newProcess(t, Options{CPUs: 2})
		prog := p.program("a", -1)
		p.must(28, attrOf(prog, 1, 46, 0))
		p.must(0, attrOf(1, 4, 8, 4))
		p.must(0, attrOf(2, 4, 8, 4))
		address := p.put(attr)
		for _, n := range []uint32{number % 40, number} {
			if a := p.sim.BPF(p, n, address, size); a.New != nil {
				if a.Errno != 0 {
					t.Fatalf("%s: object and errno %s", a.Command, a.Errno)
				}
				p.fds[p.next] = a.New
				p.next++
			}
		}
		for key := range p.sim.pins {
			p.sim.Unpinned(key)
		}
		for fd := range p.fds {
			p.close(fd)
		}
		if n := len(p.sim.maps.byID) + len(p.sim.btfs.byID); n > 0 {
			t.Fatalf("%d maps and BTFs are left", n)
		}
	})
}
