package sim

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nkconform/nkconform/intercept/machine"
	"github.com/nkconform/nkconform/mprog"
)

// Packets pass on several threads while maps are read and changed: each counts.
func TestConcurrentPasses(t *testing.T) {
	p := newProcess(t, Options{})
	m := p.must(0, attrOf(int(arrayMap), 4, 8, 1))
	count := []byte{ // r1 = the map's value; *(u64 *)r1 += 1; return -1
		0x18, 0x21, 0, 0, byte(m), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
		0xb7, 2, 0, 0, 1, 0, 0, 0, 0xdb, 0x21, 0, 0, 0, 0, 0, 0,
		0xb7, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0x95, 0, 0, 0, 0, 0, 0, 0,
	}
	fd := p.load("count", count)
	p.must(8, attrOf(1, fd, int(mprog.TCXIngress), 0))
	const threads, packets = 4, 200
	var done sync.WaitGroup
	for range threads {
		done.Go(func() {
			for range packets {
				packet := machine.NewPacket(make([]byte, 60), 1)
				if made := p.sim.Pass(7, 1, mprog.TCXIngress, mprog.Forward, packet); !made.Passes {
					t.Error("a packet does not pass")
				}
			}
		})
	}
	key, value := p.put(make([]byte, 8)), p.put(make([]byte, 8))
	other := p.must(0, attrOf(int(hashMap), 4, 8, 10))
	for range packets {
		p.must(1, attrOf(m, 0, key, value, uint64(0)))
		p.must(2, attrOf(other, 0, key, value, uint64(0)))
		p.must(3, attrOf(other, 0, key))
	}
	done.Wait()
	p.must(1, attrOf(m, 0, key, value, uint64(0)))
	got, err := p.at(value, 8)
	require.NoError(t, err)
	require.EqualValues(t, threads*packets, native.Uint64(got))
}
