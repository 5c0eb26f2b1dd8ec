package sim

import (
	"testing"

	"github.com/nkconform/nkconform/intercept/machine"
	"github.com/nkconform/nkconform/mprog"
)

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

// BenchmarkPass is of a packet that passes a hook with a program.
func BenchmarkPass(b *testing.B) {
	p := newProcess(b, Options{})
	fd := p.load("five", markFive)
	p.must(8, attrOf(1, fd, int(mprog.TCXIngress), 0))
	packet := machine.NewPacket(make([]byte, 64), 1)
	b.ReportAllocs()
	for b.Loop() {
		p.sim.Pass(7, 1, mprog.TCXIngress, mprog.Forward, packet)
	}
}
