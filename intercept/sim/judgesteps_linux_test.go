package sim

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
)

// context is the argument that stands for r6, input and output are those for
// places in r7; any other is a number.
type place struct{ at int }

var theContext = place{-1}

// Other arguments: a map, a place among the constants, one on the stack, and a
// function of the program.
type (
	mapRef        int
	constantPlace int
	onStack       int
	callback      string
)

func inputPlace(r *rand.Rand) place { return place{inputAt + 4*r.IntN(64)} }

// callStep calls a helper with arguments.
func callStep(fn asm.BuiltinFunc, arguments ...any) step {
	s := step{name: fmt.Sprintf("%v%v", fn, arguments)}
	for i, a := range arguments {
		reg := asm.R1 + asm.Register(i)
		switch a := a.(type) {
		case place:
			if a == theContext {
				s.insns = append(s.insns, asm.Mov.Reg(reg, asm.R6))
				continue
			}
			s.insns = append(s.insns, asm.Mov.Reg(reg, asm.R7), asm.Add.Imm(reg, int32(a.at)))
		case int:
			s.insns = append(s.insns, asm.LoadImm(reg, int64(a), asm.DWord))
		case mapRef:
			s.insns = append(s.insns, asm.LoadMapPtr(reg, mapMark|int(a)))
		case constantPlace:
			s.insns = append(s.insns, asm.LoadMapValue(reg, mapMark|theConstants, uint32(a)))
		case onStack:
			s.insns = append(s.insns, asm.Mov.Reg(reg, asm.RFP), asm.Add.Imm(reg, int32(a)))
		case callback:
			s.insns = append(s.insns, asm.Instruction{OpCode: asm.LoadImmOp(asm.DWord), Dst: reg, Src: asm.PseudoFunc, Constant: -1}.WithReference(string(a)))
		case int64:
			s.insns = append(s.insns, asm.LoadImm(reg, a, asm.DWord))
		}
	}
	s.insns = append(s.insns, fn.Call())
	return s
}

// inARow makes steps one, with the last one's result.
func inARow(steps ...step) (all step) {
	for _, s := range steps {
		all.name += s.name
		all.insns = append(all.insns, s.insns...)
		all.grows += s.grows
	}
	return all
}

func oneOf[T any](r *rand.Rand, list ...T) T { return list[r.IntN(len(list))] }

// offset is a place in a packet, or a little outside.
func offset(r *rand.Rand) int {
	return oneOf(r, 0, 12, 14, 16, 23, 24, 26, 34, 36, 40, 54, 60, 100, r.IntN(300), 0xfffe, 0x10000, 0x7fffffff, -1&0xffffffff)
}

// flags are those of a helper, in any combination, and now and then one of nobody.
func flags(r *rand.Rand, known ...int) int {
	v := 0
	for _, f := range known {
		if r.IntN(3) == 0 {
			v |= f
		}
	}
	if r.IntN(12) == 0 {
		v |= 1 << r.IntN(40)
	}
	return v
}

// onSKB are the helpers of programs with struct __sk_buff, with arguments that
// the verifier lets pass.
func onSKB(r *rand.Rand) step {
	ctx, in, out := theContext, inputPlace(r), place{outputAt + 8*r.IntN(64)}
	small := 1 + r.IntN(40)
	switch r.IntN(31) {
	case 30:
		return oneOf(r, callStep(asm.FnGetCgroupClassid, ctx), callStep(asm.FnGetNumaNodeId), callStep(asm.FnCloneRedirect, ctx, 77, 0), callStep(asm.FnCloneRedirect, ctx, 1, 2),
			inARow(callStep(asm.FnSetHash, ctx, int(r.Uint32())), callStep(asm.FnGetHashRecalc, ctx)))
	case 0:
		return callStep(asm.FnSkbLoadBytes, ctx, offset(r), out, small)
	case 1:
		return callStep(asm.FnSkbStoreBytes, ctx, offset(r), in, small, flags(r, 1, 2))
	case 2:
		return callStep(asm.FnSkbLoadBytesRelative, ctx, offset(r), out, small, oneOf(r, 0, 1, 2))
	case 3:
		size := oneOf(r, 0, 2, 4, 2, 4, 3)
		from, to := int(r.Uint32()), int(r.Uint32())
		if size == 0 || size == 2 && r.IntN(2) == 0 {
			from = oneOf(r, 0, 0, 1)
		}
		return callStep(asm.FnL3CsumReplace, ctx, offset(r), from, to, size|flags(r))
	case 4:
		size := oneOf(r, 0, 2, 4, 2, 4, 3)
		from, to := int(r.Uint32()), int(r.Uint32())
		if size == 0 {
			from = oneOf(r, 0, 0, 1)
		}
		return callStep(asm.FnL4CsumReplace, ctx, offset(r), from, to, size|flags(r, 1<<4, 1<<5, 1<<6))
	case 5:
		n, m := 4*r.IntN(12), 4*r.IntN(12)
		if r.IntN(6) == 0 {
			n++
		}
		if r.IntN(20) == 0 {
			n, m = 256, 260
		}
		return callStep(asm.FnCsumDiff, in, n, inputPlace(r), m, int(r.Uint32()))
	case 6:
		return callStep(asm.FnCsumUpdate, ctx, int(r.Uint32()))
	case 7:
		s := callStep(asm.FnCsumLevel, ctx, r.IntN(5))
		if r.IntN(4) == 0 { // as often as it counts, and once more
			s = callStep(asm.FnCsumLevel, ctx, 1)
			s.insns = append(s.insns, slices.Concat(s.insns, s.insns, s.insns, s.insns, callStep(asm.FnCsumLevel, ctx, 0).insns)...)
		}
		return s
	case 8:
		return callStep(asm.FnSkbChangeType, ctx, r.IntN(6))
	case 9:
		n := oneOf(r, 0, 1, 14, 20, 100, 4096, 17000, -1&0xffffffff)
		s := callStep(asm.FnSkbChangeHead, ctx, n, oneOf(r, 0, 0, 0, 1))
		s.grows = n
		return s
	case 10:
		return callStep(asm.FnSkbChangeTail, ctx, oneOf(r, 0, 13, 14, 34, 60, 100, 200, 1500, 4000, 16064, 16065, r.IntN(300)), oneOf(r, 0, 0, 0, 1))
	case 11:
		return callStep(asm.FnSkbChangeProto, ctx, oneOf(r, 0x0008, 0xdd86, 0xdd86, 0x0608), oneOf(r, 0, 0, 0, 1))
	case 12, 13, 14:
		n := oneOf(r, 0, 4, 8, 20, 28, 40, 54, 100, 4095, 4096, -4, -8, -14, -20, -40, -100, -4096, r.IntN(60)-30)
		f := flags(r, 1, 1<<1, 1<<2, 1<<3, 1<<4, 1<<5, 1<<6)
		switch {
		case n < 0:
			f = oneOf(r, 0, 0, 1<<5, 1<<7, 1<<8, 1<<7|1<<8, 1)
		case r.IntN(3) > 0:
			f = oneOf(r, 0, 1<<1, 1<<2, 1<<1|1<<3, 1<<2|1<<4, 1<<2|1<<6|14<<56, 1<<1|1<<6|13<<56)
		}
		s := callStep(asm.FnSkbAdjustRoom, ctx, n, oneOf(r, 0, 1, 0, 1, 2), f)
		s.grows = max(n, 0)
		return s
	case 15:
		return callStep(asm.FnSkbPullData, ctx, oneOf(r, 0, 14, 60, r.IntN(300), 100000))
	case 16, 17:
		return callStep(asm.FnSkbVlanPush, ctx, oneOf(r, 0x0081, 0xa888, 0x0008), int(r.Uint32()&0xffff))
	case 18, 19:
		return callStep(asm.FnSkbVlanPop, ctx)
	case 20:
		return callStep(asm.FnSkbSetTunnelKey, ctx, place{textAt}, oneOf(r, 44, 44, 28, 24, 22, 8, 12), flags(r, 1, 2, 4, 8, 16))
	case 21:
		return callStep(asm.FnSkbGetTunnelKey, ctx, out, oneOf(r, 44, 44, 28, 24, 22, 8, 12), flags(r, 1, 16))
	case 22:
		return callStep(asm.FnSetHash, ctx, int(r.Uint32()))
	case 23:
		return callStep(asm.FnSetHashInvalid, ctx)
	case 24:
		return callStep(asm.FnSkbEcnSetCe, ctx)
	case 25:
		return callStep(asm.FnSkbSetTstamp, ctx, oneOf(r, 0, 12345), r.IntN(4))
	case 26:
		return callStep(asm.FnCheckMtu, ctx, oneOf(r, 0, 1, 77), place{outputAt}, oneOf(r, 0, 0, 100, -20, 70000), oneOf(r, 0, 0, 1, 2))
	case 27:
		return callStep(asm.FnRedirect, oneOf(r, 0, 1, 77), oneOf(r, 0, 1, 2, 3))
	case 28:
		return oneOf(r, callStep(asm.FnRedirectPeer, 1, oneOf(r, 0, 1)), callStep(asm.FnRedirectNeigh, 1, in, oneOf(r, 20, 19, 24, 0), oneOf(r, 0, 0, 1)),
			callStep(asm.FnSkbGetXfrmState, ctx, oneOf(r, 0, 1), out, 16, oneOf(r, 0, 1)), callStep(asm.FnGetRouteRealm, ctx),
			callStep(asm.FnGetSocketUid, ctx), isNotZero(callStep(asm.FnGetSocketCookie, ctx)))
	}
	return oneOf(r, callStep(asm.FnSkbSetTunnelOpt, ctx, in, oneOf(r, 4, 8, 252, 256, 7)), callStep(asm.FnSkbGetTunnelOpt, ctx, out, oneOf(r, 4, 8, 100, 255)))
}

// tunnelKey is a struct bpf_tunnel_key, of IPv6's or not.
func tunnelKey(r *rand.Rand) []byte {
	key := make([]byte, 44)
	for i := range key {
		key[i] = byte(r.Uint32())
	}
	clear(key[22:24]) // tunnel_ext
	if r.IntN(2) == 0 {
		clear(key[24:28]) // tunnel_label
	}
	return key
}

// isNotZero makes a step's result 0 or 1.
func isNotZero(s step) step {
	labels++
	out := fmt.Sprint("zero", labels)
	s.insns = append(s.insns, asm.JEq.Imm(asm.R0, 0, out), asm.Mov.Imm(asm.R0, 1), asm.Mov.Reg(asm.R1, asm.R0).WithSymbol(out))
	return s
}

// fields are those of struct __sk_buff that a program may read.
var fields = []int{0, 4, 8, 12, 16, 20, 24, 28, 32, 36, 40, 44, 48, 52, 56, 60, 64, 68, 72, 160, 164, 176}

func onField(r *rand.Rand) step {
	set := func(at int, size asm.Size) step {
		v := oneOf(r, int64(r.Uint32()), 5, 0xffff, 0xfffe, 0)
		return step{name: fmt.Sprintf("store %d at %d of the context", v, at), insns: asm.Instructions{
			asm.LoadImm(asm.R0, v, asm.DWord), asm.StoreMem(asm.R6, int16(at), asm.R0, size), asm.LoadMem(asm.R0, asm.R6, int16(at), size),
		}}
	}
	switch r.IntN(4) {
	case 0:
		return set(oneOf(r, 8, 12, 32, 44, 48, 52, 64, 72), asm.Word)
	case 1:
		return set(152, asm.DWord)
	}
	at := oneOf(r, fields...)
	return step{name: fmt.Sprintf("load %d of the context", at), insns: asm.Instructions{asm.LoadMem(asm.R0, asm.R6, int16(at), asm.Word)}}
}

var labels int

// onPacket reads a part of the packet, if it is there, and perhaps writes to it.
func onPacket(r *rand.Rand, writes bool) step {
	labels++
	at, size := r.IntN(70), oneOf(r, asm.Byte, asm.Half, asm.Word, asm.DWord)
	out := fmt.Sprint("out", labels)
	s := step{name: fmt.Sprintf("load %d bytes at %d of the packet", size.Sizeof(), at), insns: asm.Instructions{
		asm.LoadMem(asm.R2, asm.R6, 76, asm.Word), asm.LoadMem(asm.R3, asm.R6, 80, asm.Word),
		asm.Mov.Reg(asm.R4, asm.R2), asm.Add.Imm(asm.R4, int32(at+size.Sizeof())), asm.Mov.Reg(asm.R0, asm.R3), asm.Sub.Reg(asm.R0, asm.R2),
		asm.JGT.Reg(asm.R4, asm.R3, out), asm.LoadMem(asm.R0, asm.R2, int16(at), size),
	}}
	if writes && r.IntN(3) == 0 && size != asm.DWord {
		s.insns = append(s.insns, asm.StoreImm(asm.R2, int16(at), int64(r.IntN(200)), size))
	}
	s.insns = append(s.insns, asm.Mov.Reg(asm.R1, asm.R0).WithSymbol(out))
	return s
}

// TestJudgeSKB has random programs call helpers, with random frames.
func TestJudgeSKB(t *testing.T) {
	j := newJudge(t)
	const seed, trials = 1, 1000
	r := rand.New(rand.NewPCG(seed, 0))
	j.all(trials, func() *trial {
		c := &trial{typ: ebpf.SchedCLS, frame: randomFrame(r), context: make([]byte, 192)}
		for _, field := range []int{8, 32, 48, 152, 184} {
			native.PutUint32(c.context[field:], r.Uint32())
		}
		c.text = tunnelKey(r)
		for range 1 + r.IntN(10) {
			switch r.IntN(6) {
			case 0:
				c.steps = append(c.steps, onField(r))
			case 1:
				c.steps = append(c.steps, onPacket(r, true))
			default:
				c.steps = append(c.steps, onSKB(r))
			}
		}
		c.steps = withoutExpansion(c.steps)
		return c
	})
}

// withoutExpansion leaves out what makes a kernel move a packet into other memory,
// if the packet's tail is changed, too: of the transport layer's header, which
// nobody has looked for in a test run, the kernel then believes that it is known
// and somewhere.
func withoutExpansion(steps []step) (kept []step) {
	const room = 64 // NET_SKB_PAD
	tail := slices.ContainsFunc(steps, func(s step) bool { return strings.HasPrefix(s.name, "FnSkbChangeTail") })
	grown := 0
	for _, s := range steps {
		if tail && grown+s.grows > room-20 { // changeProto's
			continue
		}
		grown += s.grows
		kept = append(kept, s)
	}
	return kept
}

// seesPackets reports whether programs of a type can look at packets in test runs:
// those of cgroups cannot in Linux 6.12, whose data_end is not set there.
func (j *judge) seesPackets(typ ebpf.ProgramType) bool {
	c := &trial{typ: typ, frame: make([]byte, 64), steps: []step{{insns: asm.Instructions{
		asm.LoadMem(asm.R1, asm.R6, 76, asm.Word), asm.LoadMem(asm.R0, asm.R6, 80, asm.Word), asm.Sub.Reg(asm.R0, asm.R1),
	}}}}
	o, err := j.real(c)
	return err == nil && native.Uint64(o.Memory) <= 64
}

// TestJudgeCgroup is TestJudgeSKB for programs of cgroups, whose packets begin
// with the network layer's header, and that change nothing.
func TestJudgeCgroup(t *testing.T) {
	j := newJudge(t)
	r := rand.New(rand.NewPCG(1, 0))
	kinds := 6
	if !j.seesPackets(ebpf.CGroupSKB) {
		kinds--
		t.Log("the running kernel does not show packets to programs of cgroups in test runs")
	}
	j.all(500, func() *trial {
		c := &trial{typ: ebpf.CGroupSKB, frame: randomFrame(r), context: make([]byte, 192)}
		native.PutUint32(c.context[8:], r.Uint32())
		native.PutUint32(c.context[32:], r.Uint32())
		for range 1 + r.IntN(10) {
			ctx, out := theContext, place{outputAt + 8*r.IntN(64)}
			switch r.IntN(kinds) {
			case 0:
				c.steps = append(c.steps, callStep(asm.FnSkbLoadBytes, ctx, offset(r), out, 1+r.IntN(40)))
			case 1:
				c.steps = append(c.steps, callStep(asm.FnSkbLoadBytesRelative, ctx, offset(r), out, 1+r.IntN(40), oneOf(r, 0, 1, 2)))
			case 2:
				c.steps = append(c.steps, callStep(asm.FnSkbEcnSetCe, ctx))
			case 3:
				at := oneOf(r, 0, 4, 8, 12, 16, 20, 24, 28, 32, 36, 40, 44, 48, 64, 68, 164, 176)
				c.steps = append(c.steps, step{name: fmt.Sprintf("load %d of the context", at), insns: asm.Instructions{asm.LoadMem(asm.R0, asm.R6, int16(at), asm.Word)}})
			case 4:
				c.steps = append(c.steps, callStep(asm.FnGetLocalStorage, mapRef(theLocalStorage), 0))
				s := &c.steps[len(c.steps)-1]
				s.insns = append(s.insns, asm.LoadMem(asm.R1, asm.R0, 0, asm.DWord), asm.Add.Imm(asm.R1, 1),
					asm.StoreMem(asm.R0, 0, asm.R1, asm.DWord), asm.Mov.Reg(asm.R0, asm.R1))
			case 5:
				c.steps = append(c.steps, onPacket(r, false))
			}
		}
		return c
	})
}

// TestJudgeChecksums is of packets of which a device has told the sum.
func TestJudgeChecksums(t *testing.T) {
	j := newJudge(t)
	r := rand.New(rand.NewPCG(1, 0))
	j.all(500, func() *trial {
		c := &trial{typ: ebpf.SchedCLS, frame: randomFrame(r), flags: checksumFlag}
		for range 1 + r.IntN(4) {
			ctx := theContext
			switch r.IntN(7) {
			case 0, 1:
				c.steps = append(c.steps, callStep(asm.FnSkbStoreBytes, ctx, 14+r.IntN(60), inputPlace(r), 1+r.IntN(20), oneOf(r, 1, 1, 1, 0)))
			case 2:
				c.steps = append(c.steps, callStep(asm.FnL3CsumReplace, ctx, 24, int(r.Uint32()), int(r.Uint32()), 4))
			case 3:
				c.steps = append(c.steps, callStep(asm.FnL4CsumReplace, ctx, offset(r), oneOf(r, 0, int(r.Uint32())), int(r.Uint32()), oneOf(r, 0, 2, 4, 4|1<<4, 1<<4)))
			case 4:
				c.steps = append(c.steps, callStep(asm.FnCsumUpdate, ctx, oneOf(r, 0, int(r.Uint32()))))
			case 5:
				c.steps = append(c.steps, callStep(asm.FnCsumLevel, ctx, r.IntN(4)))
			case 6:
				c.steps = append(c.steps, callStep(asm.FnSkbLoadBytes, ctx, offset(r), place{outputAt}, 8))
			}
		}
		return c
	})
}
