package machine

import (
	"testing"

	"github.com/cilium/ebpf/asm"
	"github.com/stretchr/testify/require"
)

// BenchmarkRun is of a program of twenty instructions that looks at a packet and
// counts it.
func BenchmarkRun(b *testing.B) {
	insns := asm.Instructions{
		asm.LoadMem(asm.R2, asm.R1, skbData, asm.Word), asm.LoadMem(asm.R3, asm.R1, skbDataEnd, asm.Word),
		asm.Mov.Reg(asm.R4, asm.R2), asm.Add.Imm(asm.R4, 34), asm.JGT.Reg(asm.R4, asm.R3, "out"),
		asm.LoadMem(asm.R5, asm.R2, 12, asm.Half), asm.JEq.Imm(asm.R5, 8, "out"),
		asm.StoreImm(asm.RFP, -4, 0, asm.Word), mapPointer(asm.R1, 1), asm.Mov.Reg(asm.R2, asm.RFP), asm.Add.Imm(asm.R2, -4),
		asm.FnMapLookupElem.Call(), asm.JEq.Imm(asm.R0, 0, "out"),
		asm.Mov.Imm(asm.R1, 1), asm.StoreXAdd(asm.R0, asm.R1, asm.DWord), asm.LoadMem(asm.R0, asm.R0, 0, asm.Word),
		asm.And.Imm(asm.R0, 1), asm.LSh.Imm(asm.R0, 1), asm.Mov.Imm(asm.R0, 0).WithSymbol("out"), asm.Return(),
	}
	p := New(assemble(b, insns), SKB)
	packet, w := NewPacket(someFrame(), 1), &world{maps: map[uint32]*array{1: newArray(1, 8)}}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := p.Run(packet, w); err != nil {
			require.NoError(b, err)
		}
	}
}
