package sim

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/stretchr/testify/require"
)

// onXDP are the helpers of programs with struct xdp_md.
func onXDP(r *rand.Rand) step {
	ctx, in, out := theContext, inputPlace(r), place{outputAt + 8*r.IntN(64)}
	move := oneOf(r, 0, 100, 100, 4, -4, 14, -14, 20, 3, -200, -215, -216, -217, -256, 100, r.IntN(100)-50)
	switch r.IntN(10) {
	case 0, 1:
		return callStep(asm.FnXdpAdjustHead, ctx, move)
	case 2, 3:
		return callStep(asm.FnXdpAdjustMeta, ctx, oneOf(r, -4, -8, -32, -252, -256, 4, 8, 3, 0, move))
	case 4, 5:
		return callStep(asm.FnXdpAdjustTail, ctx, oneOf(r, move, 3000, 3500, 3600, -1000))
	case 6:
		return callStep(asm.FnXdpLoadBytes, ctx, offset(r), out, 1+r.IntN(40))
	case 7:
		return callStep(asm.FnXdpStoreBytes, ctx, offset(r), in, 1+r.IntN(40))
	case 8:
		return callStep(asm.FnXdpGetBuffLen, ctx)
	}
	return oneOf(r, callStep(asm.FnRedirectMap, mapRef(theDevices), oneOf(r, 0, 1, 2), oneOf(r, 0, 1, 2, 3, 4, 8, 24, 32)), callStep(asm.FnRedirect, 1, oneOf(r, 0, 0, 1)), callStep(asm.FnCsumDiff, in, 4*r.IntN(12), in, 4*r.IntN(12), int(r.Uint32())),
		callStep(asm.FnCheckMtu, ctx, oneOf(r, 0, 1, 77), place{outputAt}, oneOf(r, 0, 0, 100, -20, 70000), oneOf(r, 0, 0, 1, 2)))
}

// onXDPPacket reads a byte of the packet, or of what is before it.
func onXDPPacket(r *rand.Rand) step {
	labels++
	begin, end, name := int16(0), int16(4), "packet"
	if r.IntN(2) == 0 {
		begin, end, name = 8, 0, "metadata"
	}
	at, size := 4*r.IntN(10), oneOf(r, asm.Byte, asm.Half, asm.Word)
	out := fmt.Sprint("out", labels)
	s := step{name: fmt.Sprintf("load %d bytes at %d of the %s", size.Sizeof(), at, name), insns: asm.Instructions{
		asm.LoadMem(asm.R2, asm.R6, begin, asm.Word), asm.LoadMem(asm.R3, asm.R6, end, asm.Word),
		asm.Mov.Reg(asm.R4, asm.R2), asm.Add.Imm(asm.R4, int32(at+size.Sizeof())), asm.Mov.Reg(asm.R0, asm.R3), asm.Sub.Reg(asm.R0, asm.R2),
		asm.JGT.Reg(asm.R4, asm.R3, out), asm.LoadMem(asm.R0, asm.R2, int16(at), size),
	}}
	if r.IntN(2) == 0 {
		s.insns = append(s.insns, asm.StoreImm(asm.R2, int16(at), int64(r.IntN(200)), size))
	}
	s.insns = append(s.insns, asm.Mov.Reg(asm.R1, asm.R0).WithSymbol(out))
	return s
}

// TestJudgeXDP is TestJudgeSKB for XDP.
func TestJudgeXDP(t *testing.T) {
	j := newJudge(t)
	require.NoError(t, j.kernel[theDevices].Put(uint32(0), uint32(loopback)))
	j.p.must(2, attrOf(j.here[theDevices], 0, j.p.put(make([]byte, 4)), j.p.put(native.AppendUint32(nil, loopback)), uint64(0)))
	const seed, trials = 1, 1000
	r := rand.New(rand.NewPCG(seed, 0))
	j.all(trials, func() *trial {
		c := &trial{typ: ebpf.XDP, frame: randomFrame(r)}
		if r.IntN(2) == 0 {
			c.context = make([]byte, xdpContext)
			native.PutUint32(c.context[xdpDataEnd:], uint32(len(c.frame)))
			native.PutUint32(c.context[xdpData:], uint32(oneOf(r, 0, 0, 4, 8, 32, 252, 256, 3)))
			native.PutUint32(c.context[xdpIngress:], uint32(oneOf(r, 0, 0, 0, 0, 0, 1, 77)))
			if r.IntN(20) == 0 {
				native.PutUint32(c.context[4*r.IntN(6):], r.Uint32()&0xff)
			}
		}
		if r.IntN(3) == 0 { // in fragments
			c.frame = append(c.frame, make([]byte, oneOf(r, 1, 1500, 3505, 3520, 3521, 4096, 9000, r.IntN(70000), 16*4096, 17*4096+3520, 17*4096+3521))...)
			for i := range c.frame {
				c.frame[i] = byte(i * 7)
			}
			if c.context != nil && r.IntN(2) == 0 {
				native.PutUint32(c.context[xdpDataEnd:], uint32(oneOf(r, 14, 20, 60, 64, r.IntN(len(c.frame)), len(c.frame))))
			}
		}
		for range 1 + r.IntN(10) {
			if r.IntN(3) == 0 {
				c.steps = append(c.steps, onXDPPacket(r))
			} else {
				c.steps = append(c.steps, onXDP(r))
			}
		}
		return c
	})
}
