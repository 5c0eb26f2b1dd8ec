package sim

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/stretchr/testify/require"
)

// xdpPrograms loads XDP programs for devices, maps of devices and maps of CPUs, and one of
// tc, there and here.
func (j *judge) xdpPrograms() (there, here []int) {
	pass := asm.Instructions{asm.Mov.Imm(asm.R0, 2), asm.Return()}
	var code bytes.Buffer
	require.NoError(j.t, pass.Marshal(&code, byteOrder()))
	for _, of := range []struct {
		typ    ebpf.ProgramType
		attach ebpf.AttachType
	}{{ebpf.XDP, ebpf.AttachXDP}, {ebpf.XDP, ebpf.AttachXDPDevMap}, {ebpf.XDP, ebpf.AttachXDPCPUMap}, {ebpf.SchedCLS, 0}} {
		p, err := ebpf.NewProgram(&ebpf.ProgramSpec{Type: of.typ, AttachType: of.attach, License: "GPL", Instructions: pass})
		if err != nil {
			j.t.Skip("the running kernel loads no such program: ", err)
		}
		j.t.Cleanup(func() { p.Close() })
		there = append(there, p.FD())
		a := attrOf(int(of.typ), len(pass), j.p.put(code.Bytes()), j.p.put([]byte("GPL\x00")), 0, 0, uint64(0), 0, 0, uint64(0), uint64(0), 0, int(of.attach))
		here = append(here, int(j.p.must(5, a)))
	}
	return there, here
}

// TestJudgeOutlets has programs put into maps of devices and CPUs.
func TestJudgeOutlets(t *testing.T) {
	j := newJudge(t)
	there, here := j.xdpPrograms()
	r := rand.New(rand.NewPCG(1, 0))
	for range 60 {
		typ := oneOf(r, ebpf.DevMap, ebpf.DevMapHash, ebpf.CPUMap)
		m, err := ebpf.NewMap(&ebpf.MapSpec{Type: typ, KeySize: 4, ValueSize: 8, MaxEntries: 2})
		require.NoError(t, err)
		ours := j.p.must(0, attrOf(int(typ), 4, 8, 2, 0))
		for range 12 {
			j.p.used = 0
			key, first, program, flags := oneOf(r, 0, 0, 1, 2), oneOf(r, 1, 1, 0, 4711), r.IntN(len(there)+3), oneOf(r, 0, 0, 0, 1, 2, 3)
			if typ == ebpf.CPUMap {
				key = oneOf(r, 0, 0, 2) // of which machines have as many
			}
			fds := func(of []int) int {
				switch program {
				case len(of):
					return 0
				case len(of) + 1:
					return 999
				case len(of) + 2:
					return -1
				}
				return of[program]
			}
			k, v := attrOf(key), attrOf(first, fds(there))
			_, want := running(2, attrOf(m.FD(), 0, addressOf(k), addressOf(v), uint64(flags)))
			_, _, got := j.p.call(2, attrOf(int(ours), 0, j.p.put(attrOf(key)), j.p.put(attrOf(first, fds(here))), uint64(flags)))
			require.Equal(t, want, got, "%s, key %d, value %d, program %d, flags %d", typ, key, first, program, flags)
			value := make([]byte, 8)
			_, want = running(1, attrOf(m.FD(), 0, addressOf(k), addressOf(value), uint64(0)))
			to := j.p.put(make([]byte, 8))
			_, _, got = j.p.call(1, attrOf(int(ours), 0, j.p.put(attrOf(key)), to, uint64(0)))
			require.Equal(t, want, got, "lookup in %s", typ)
			if want == 0 {
				mine, err := j.p.at(to, 8)
				require.NoError(t, err)
				require.Equal(t, native.Uint32(value), native.Uint32(mine))
				require.Equal(t, native.Uint32(value[4:]) == 0, native.Uint32(mine[4:]) == 0, "a program's id in %s", typ)
			}
		}
		m.Close()
		j.p.close(ours)
	}
}

// TestJudgeTimersOfUpdates has values updated in which timers are, from programs and from
// user space: then there are no timers any more.
func TestJudgeTimersOfUpdates(t *testing.T) {
	j := newJudge(t)
	r := rand.New(rand.NewPCG(1, 0))
	for n := range 60 {
		c := &trial{typ: ebpf.SchedCLS, frame: make([]byte, 64), tail: tick()}
		for range 1 + r.IntN(5) {
			c.steps = append(c.steps, onTimer(r, r.IntN(4)))
			if r.IntN(3) == 0 {
				s := callStep(asm.FnMapUpdateElem, mapRef(theTimers), onStack(-8), onStack(-32), 0)
				s.insns = append(append(zeroed(-32, -28, -24, -20, -16, -12), asm.StoreImm(asm.RFP, -8, int64(r.IntN(2)), asm.Word)), s.insns...)
				c.steps = append(c.steps, s)
			}
		}
		c.steps = append(c.steps, onTimer(r, 1)) // as all functions have to be used
		difference, err := j.compare(c)
		require.NoError(t, err)
		if bytes.Contains([]byte(difference), []byte(": -12, here 0")) {
			t.Skipf("in trial %d the running kernel has no memory for a timer: ENOMEM", n)
		}
		require.Empty(t, difference, "trial %d\n%s", n, c.describe())
		if r.IntN(2) == 0 {
			continue
		}
		index, value := uint32(r.IntN(2)), make([]byte, 24)
		for i := range value {
			value[i] = byte(i) // also where the timer is, which user space does not change
		}
		require.NoError(t, j.kernel[theTimers].Put(index, value))
		j.p.used = 0
		j.p.must(2, attrOf(j.here[theTimers], 0, j.p.put(native.AppendUint32(nil, index)), j.p.put(value), uint64(0)))
		var want []byte
		require.NoError(t, j.kernel[theTimers].Lookup(index, &want))
		to := j.p.put(make([]byte, 24))
		j.p.must(1, attrOf(j.here[theTimers], 0, j.p.put(native.AppendUint32(nil, index)), to, uint64(0)))
		got, err := j.p.at(to, 24)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
}
