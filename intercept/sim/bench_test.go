package sim

import "testing"

// BenchmarkQuery is a query without the way to and from the caller.
func BenchmarkQuery(b *testing.B) {
	p := newProcess(b, Options{})
	address := p.put(attrOf(1, 46, 0, 0, uint64(0), 0, 0, uint64(0), uint64(0), uint64(0), uint64(0)))
	b.ReportAllocs()
	for b.Loop() {
		if a := p.sim.BPF(p, 16, address, 64); a.Errno != 0 {
			b.Fatal(a.Err)
		}
	}
}
