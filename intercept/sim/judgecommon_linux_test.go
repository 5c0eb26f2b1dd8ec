package sim

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	types "github.com/cilium/ebpf/btf"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// randomText is made of a few letters.
func randomText(r *rand.Rand, letters string, most int) []byte {
	p := make([]byte, r.IntN(most))
	for i := range p {
		p[i] = letters[r.IntN(len(letters))]
	}
	return p
}

// TestJudgeNumbers has numbers parsed, of what looks like some.
func TestJudgeNumbers(t *testing.T) {
	j := newJudge(t)
	r := rand.New(rand.NewPCG(1, 0))
	j.all(600, func() *trial {
		c := &trial{typ: ebpf.SchedCLS, frame: make([]byte, 64)}
		c.text = oneOf(r, []byte("0x1234 "), []byte("  -77zz"), []byte("18446744073709551616"), []byte("-9223372036854775808"), []byte("9223372036854775808"),
			[]byte("0x"), []byte("0"), []byte("08"), []byte("-0"), []byte("- 5"), []byte("\t\n\v12\x00345"), randomText(r, "0123456789", 30), randomText(r, " -+0x19afAFzX\t\xa0", 24), randomText(r, "  0000000001", 150))
		for range 4 {
			fn := oneOf(r, asm.FnStrtol, asm.FnStrtoul)
			c.steps = append(c.steps, callStep(fn, place{textAt}, oneOf(r, 1, len(c.text), len(c.text)+1, 8, 100), oneOf(r, 0, 0, 8, 10, 16, 2, 32), place{outputAt + 8*len(c.steps)}))
		}
		return c
	})
}

// TestJudgeFormats has texts formatted.
func TestJudgeFormats(t *testing.T) {
	j := newJudge(t)
	r := rand.New(rand.NewPCG(1, 0))
	conversions := []string{"%d", "%i", "%u", "%x", "%X", "%ld", "%lu", "%lx", "%lld", "%llu", "%llX", "%5d", "%05d", "%-5dx", "%+d", "% d", "%08x", "%20lu", "%c", "%%", "plain", " ", "%3c"}
	j.all(600, func() *trial {
		c := &trial{typ: ebpf.SchedCLS, frame: make([]byte, 64)}
		for range 1 + r.IntN(5) {
			c.format = append(c.format, oneOf(r, conversions...)...)
		}
		c.format = append(c.format, 0)
		c.text = make([]byte, 96)
		for i := 0; i < len(c.text); i += 8 {
			native.PutUint64(c.text[i:], oneOf(r, r.Uint64(), r.Uint64()%200, -r.Uint64()%200, uint64(r.Uint32()), 65))
		}
		c.steps = []step{
			callStep(asm.FnSnprintf, place{outputAt}, oneOf(r, 100, 64, 5, 1, 0), constantPlace(0), place{textAt}, 8*(4+r.IntN(9))),
			callStep(asm.FnStrncmp, place{textAt}, 1+r.IntN(20), constantPlace(0)),
			callStep(asm.FnTracePrintk, constantPlace(0), len(c.format), r.IntN(300), r.IntN(300), r.IntN(300)),
			callStep(asm.FnTraceVprintk, constantPlace(0), len(c.format), place{textAt}, 8*(4+r.IntN(9))),
		}
		if n := r.IntN(10); n < len(c.format) {
			copy(c.text, c.format[:n])
		}
		return c
	})
}

// onMaps are the helpers of maps.
func onMaps(r *rand.Rand) step {
	key, in, out := place{inputAt + 4*r.IntN(5)}, inputPlace(r), place{outputAt + 8*r.IntN(8)}
	labels++
	read := func(s step) step {
		out := fmt.Sprint("none", labels)
		s.insns = append(s.insns, asm.JEq.Imm(asm.R0, 0, out), asm.LoadMem(asm.R0, asm.R0, 0, asm.DWord), asm.Mov.Reg(asm.R1, asm.R0).WithSymbol(out))
		return s
	}
	switch r.IntN(11) {
	case 9:
		return counted(callStep(asm.FnMapLookupPercpuElem, mapRef(theCPUs), key, oneOf(r, 0, 0, 999)))
	case 10:
		return underLock(labels)
	case 0, 1:
		return callStep(asm.FnMapUpdateElem, mapRef(theHash), key, in, oneOf(r, 0, 0, 0, 1, 2, 3, 8))
	case 2:
		return callStep(asm.FnMapDeleteElem, mapRef(theHash), key)
	case 3, 4:
		return read(callStep(asm.FnMapLookupElem, mapRef(theHash), key))
	case 5:
		return callStep(asm.FnMapPushElem, mapRef(theQueue), in, oneOf(r, 0, 0, 2, 1))
	case 6:
		return callStep(asm.FnMapPopElem, mapRef(theQueue), out)
	case 7:
		return callStep(asm.FnMapPeekElem, mapRef(theQueue), out)
	}
	if r.IntN(2) == 0 {
		return callStep(asm.FnLoop, oneOf(r, 0, 3, 5, 6, 100, 8<<20+1), callback("five"), onStack(-16), oneOf(r, 0, 0, 0, 1))
	}
	return callStep(asm.FnForEachMapElem, mapRef(theHash), callback(oneOf(r, "each", "stop")), onStack(-16), oneOf(r, 0, 0, 0, 1))
}

// underLock counts in a value while its lock is held.
func underLock(label int) step {
	none := fmt.Sprint("locked", label)
	s := callStep(asm.FnMapLookupElem, mapRef(theLocked), onStack(-8))
	s.insns = append(asm.Instructions{asm.StoreImm(asm.RFP, -8, 0, asm.Word)}, s.insns...)
	s.insns = append(s.insns, asm.JEq.Imm(asm.R0, 0, none), asm.Mov.Reg(asm.R8, asm.R0), asm.Mov.Reg(asm.R1, asm.R0), asm.FnSpinLock.Call(),
		asm.LoadMem(asm.R9, asm.R8, 4, asm.Word), asm.Add.Imm(asm.R9, 1), asm.StoreMem(asm.R8, 4, asm.R9, asm.Word),
		asm.Mov.Reg(asm.R1, asm.R8), asm.FnSpinUnlock.Call(), asm.Mov.Reg(asm.R0, asm.R9), asm.Mov.Reg(asm.R1, asm.R0).WithSymbol(none))
	s.name = "FnSpinLock"
	return s
}

// TestJudgeTail has programs go on with another one, or with what comes next where there is
// none.
func TestJudgeTail(t *testing.T) {
	j := newJudge(t)
	end := asm.Instructions{asm.Mov.Imm(asm.R0, 5), asm.Return()}
	there, err := ebpf.NewProgram(&ebpf.ProgramSpec{Type: ebpf.SchedCLS, License: "GPL", Instructions: end})
	require.NoError(t, err)
	defer there.Close()
	require.NoError(t, j.kernel[theTails].Put(uint32(0), there))
	var code bytes.Buffer
	require.NoError(t, end.Marshal(&code, byteOrder()))
	here := j.p.must(5, attrOf(int(ebpf.SchedCLS), len(end), j.p.put(code.Bytes()), j.p.put([]byte("GPL\x00"))))
	j.p.must(2, attrOf(j.here[theTails], 0, j.p.put(make([]byte, 4)), j.p.put(native.AppendUint32(nil, here)), uint64(0)))
	r := rand.New(rand.NewPCG(1, 0))
	j.all(50, func() *trial {
		c := &trial{typ: ebpf.SchedCLS, frame: make([]byte, 64)}
		for range 3 {
			s := callStep(asm.FnTailCall, theContext, mapRef(theTails), oneOf(r, 0, 1, 2, -1&0xffffffff, 1<<31))
			s.insns = append(s.insns, asm.Mov.Imm(asm.R0, 7))
			c.steps = append(c.steps, s)
		}
		return c
	})
}

// callbacks are functions that return a number, or whether the number they get is
// less than 5.
func callbacks() (insns asm.Instructions) {
	begin := func(name string) asm.Instruction {
		return types.WithFuncMetadata(asm.Mov.Imm(asm.R0, 0), functionOf(name)).WithSymbol(name)
	}
	insns = append(insns, begin("each"), asm.Return())
	insns = append(insns, begin("stop"), asm.Mov.Imm(asm.R0, 1), asm.Return())
	return append(insns, begin("five"), asm.JLT.Imm(asm.R1, 5, "on"), asm.Mov.Imm(asm.R0, 1), asm.Return().WithSymbol("on"))
}

func TestJudgeMaps(t *testing.T) {
	j := newJudge(t)
	r := rand.New(rand.NewPCG(1, 0))
	j.all(600, func() *trial {
		c := &trial{typ: ebpf.SchedCLS, frame: make([]byte, 64), tail: callbacks()}
		for range 1 + r.IntN(10) {
			c.steps = append(c.steps, onMaps(r))
		}
		// All functions have to be used.
		for _, name := range []string{"each", "stop"} {
			c.steps = append(c.steps, callStep(asm.FnForEachMapElem, mapRef(theHash), callback(name), onStack(-16), 0))
		}
		c.steps = append(c.steps, callStep(asm.FnLoop, 7, callback("five"), onStack(-16), 0))
		return c
	})
}

// TestJudgeRings has records written to a ring buffer that nobody reads, until it
// is full, and dynptrs of memory.
func TestJudgeRings(t *testing.T) {
	j := newJudge(t)
	r := rand.New(rand.NewPCG(1, 0))
	j.all(300, func() *trial {
		c := &trial{typ: oneOf(r, ebpf.SchedCLS, ebpf.XDP), frame: make([]byte, 64)}
		for range 1 + r.IntN(6) {
			c.steps = append(c.steps, onRings(r))
		}
		return c
	})
	for i, m := range j.kernel {
		if i == theRing {
			require.Equal(t, kernelRing(t, m), j.ringHere(), "what readers find")
		}
	}
}

// The last record that would fill a ring buffer does not fit.
func TestJudgeFullRing(t *testing.T) {
	j := newJudge(t)
	j.all(24, func() *trial {
		c := &trial{typ: ebpf.SchedCLS, frame: make([]byte, 64)}
		for range 100 {
			c.steps = append(c.steps, callStep(asm.FnRingbufOutput, mapRef(theRing), place{inputAt}, 8, 0))
		}
		return c
	})
}

func onRings(r *rand.Rand) step {
	in, out := inputPlace(r), place{outputAt + 8*r.IntN(8)}
	labels++
	none := fmt.Sprint("none", labels)
	switch r.IntN(8) {
	case 6, 7:
		s := inARow(callStep(asm.FnRingbufReserveDynptr, mapRef(theRing), oneOf(r, 8, 16, 24, 1, 5000), 0, onStack(-48)),
			callStep(asm.FnDynptrWrite, onStack(-48), oneOf(r, 0, 3, 7), in, 1+r.IntN(8), 0))
		s.insns = append(s.insns, asm.Mov.Reg(asm.R8, asm.R0))
		end := callStep(oneOf(r, asm.FnRingbufSubmitDynptr, asm.FnRingbufDiscardDynptr), onStack(-48), 0)
		s.insns = append(append(s.insns, end.insns...), asm.Mov.Reg(asm.R0, asm.R8))
		return s
	case 0:
		return callStep(asm.FnRingbufOutput, mapRef(theRing), in, 1+r.IntN(30), oneOf(r, 0, 1, 2, 3, 4))
	case 1:
		s := callStep(asm.FnRingbufReserve, mapRef(theRing), oneOf(r, 8, 16, 24, 1, 5000), 0)
		s.insns = append(s.insns, asm.JEq.Imm(asm.R0, 0, none), asm.StoreImm(asm.R0, 0, int64(r.IntN(100)), asm.Byte), asm.Mov.Reg(asm.R1, asm.R0), asm.Mov.Imm(asm.R2, 0),
			oneOf(r, asm.FnRingbufSubmit, asm.FnRingbufDiscard).Call(), asm.Mov.Imm(asm.R0, 77), asm.Mov.Reg(asm.R1, asm.R0).WithSymbol(none))
		return s
	case 2:
		return callStep(asm.FnRingbufQuery, mapRef(theRing), r.IntN(6))
	}
	size, at := oneOf(r, 8, 64, 1), r.IntN(12)
	s := callStep(asm.FnDynptrFromMem, in, size, oneOf(r, 0, 0, 0, 1), onStack(-32))
	more := oneOf(r,
		callStep(asm.FnDynptrRead, out, 1+r.IntN(8), onStack(-32), at, oneOf(r, 0, 0, 1)),
		callStep(asm.FnDynptrWrite, onStack(-32), at, out, 1+r.IntN(8), oneOf(r, 0, 0, 1)),
		callStep(asm.FnDynptrData, onStack(-32), at, oneOf(r, 1, 8)))
	s.name += more.name
	s.insns = append(s.insns, more.insns...)
	if len(more.name) > len("FnDynptrData") && more.name[:len("FnDynptrData")] == "FnDynptrData" {
		s.insns = append(s.insns, asm.JEq.Imm(asm.R0, 0, none), asm.LoadMem(asm.R0, asm.R0, 0, asm.Byte), asm.Mov.Reg(asm.R1, asm.R0).WithSymbol(none))
	}
	return s
}

// kernelRing is what a reader finds in the running kernel's ring buffer.
func kernelRing(t *testing.T, m *ebpf.Map) []byte {
	p, err := unix.Mmap(m.FD(), pageSize, pageSize+2*int(m.MaxEntries()), unix.PROT_READ, unix.MAP_SHARED)
	require.NoError(t, err)
	defer unix.Munmap(p)
	return append([]byte{}, ringRecords(p[:8], p[pageSize:])...)
}

// ringHere is what one finds here.
func (j *judge) ringHere() []byte {
	p := j.p.fds[uint32(j.here[theRing])].Memory().Bytes()
	return ringRecords(p[pageSize:][:8], p[2*pageSize:])
}

// ringRecords are the headers and samples from the beginning up to the producer's
// position, without the place of each in the kernel's memory.
func ringRecords(position, data []byte) (all []byte) {
	end := native.Uint64(position)
	for at := uint64(0); at < end; {
		header := native.Uint32(data[at:])
		n := uint64(header &^ (3 << 30))
		all = append(all, data[at:at+4]...)
		all = append(all, data[at+8:at+8+n]...)
		at += (n + 8 + 7) &^ 7
	}
	return all
}
