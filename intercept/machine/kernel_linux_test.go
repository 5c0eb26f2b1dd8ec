package machine

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/stretchr/testify/require"
)

// TestAgainstKernel runs random programs here and on the running kernel: every
// operation on numbers, jumps, the stack and the packet.
func TestAgainstKernel(t *testing.T) {
	probe, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Type: ebpf.SchedCLS, License: "GPL", Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, 0), asm.Return()},
	})
	if err != nil {
		t.Skip("the running kernel does not load programs: ", err)
	}
	require.NoError(t, probe.Close())
	const seed, programs = 1, 150
	random := rand.New(rand.NewPCG(seed, 0))
	refused := 0
	for n := range programs {
		insns := randomProgram(random)
		loaded, err := ebpf.NewProgram(&ebpf.ProgramSpec{Type: ebpf.SchedCLS, License: "GPL", Instructions: insns})
		if err != nil {
			refused++ // by the verifier, of an older kernel perhaps
			continue
		}
		in := make([]byte, 64)
		for i := range in {
			in[i] = byte(random.Uint32())
		}
		ret, out, err := loaded.Test(in)
		require.NoError(t, err)
		require.NoError(t, loaded.Close())
		packet := NewPacket(append([]byte(nil), in...), 1)
		got, err := New(assemble(t, insns), SKB).Run(packet, &world{})
		require.NoError(t, err)
		require.Equal(t, int32(ret), got, "program %d of seed %d:\n%v", n, seed, insns)
		require.Equal(t, out, packet.Data, "program %d of seed %d", n, seed)
	}
	t.Logf("%d of %d programs refused by the verifier", refused, programs)
	require.Less(t, refused, programs/2, "programs that the verifier refuses test nothing")
}

// randomProgram works on r0 and r3 to r5, with r2 the packet of 64 bytes, and
// returns a mixture of them.
func randomProgram(r *rand.Rand) asm.Instructions {
	registers := []asm.Register{asm.R0, asm.R3, asm.R4, asm.R5}
	insns := asm.Instructions{
		asm.LoadMem(asm.R2, asm.R1, skbData, asm.Word),
		asm.LoadMem(asm.R0, asm.R1, skbDataEnd, asm.Word),
		asm.Mov.Reg(asm.R3, asm.R2),
		asm.Add.Imm(asm.R3, 64),
		asm.JGT.Reg(asm.R3, asm.R0, "out"),
	}
	for i, reg := range registers {
		insns = append(insns, asm.LoadMem(reg, asm.R2, int16(16*i), asm.DWord),
			asm.StoreMem(asm.RFP, int16(-8*(i+1)), reg, asm.DWord))
	}
	label := ""
	for i := range 60 {
		a, b := registers[r.IntN(4)], registers[r.IntN(4)]
		step := randomStep(r, a, b)
		if label != "" {
			step[0] = step[0].WithSymbol(label)
			label = ""
		}
		insns = append(insns, step...)
		if r.IntN(4) == 0 {
			label = fmt.Sprintf("l%d", i)
			insns = append(insns, randomJump(r, a, b, label), randomStep(r, b, a)[0])
		}
	}
	tail := asm.Instructions{
		asm.StoreMem(asm.R2, 48, asm.R3, asm.DWord),
		asm.Xor.Reg(asm.R0, asm.R3), asm.Xor.Reg(asm.R0, asm.R4), asm.Xor.Reg(asm.R0, asm.R5),
		asm.Mov.Reg(asm.R3, asm.R0), asm.RSh.Imm(asm.R3, 32), asm.Xor.Reg(asm.R0, asm.R3),
		asm.Return(),
		asm.Mov.Imm(asm.R0, 1).WithSymbol("out"), asm.Return(),
	}
	if label != "" {
		tail[0] = tail[0].WithSymbol(label)
	}
	return append(insns, tail...)
}

var operations = []asm.ALUOp{
	asm.Add, asm.Sub, asm.Mul, asm.Div, asm.Or, asm.And, asm.Mod, asm.Xor, asm.Mov, asm.SDiv, asm.SMod,
}

func randomStep(r *rand.Rand, a, b asm.Register) asm.Instructions {
	number := int32(r.Uint32())
	if r.IntN(2) == 0 {
		number = int32(r.IntN(64)) - 32
	}
	if number == 0 {
		number = 1 // no division by a constant 0
	}
	slot := int16(-8 * (1 + r.IntN(4)))
	size := []asm.Size{asm.Byte, asm.Half, asm.Word, asm.DWord}[r.IntN(4)]
	switch op := operations[r.IntN(len(operations))]; r.IntN(14) {
	case 0, 1:
		return asm.Instructions{op.Reg(a, b)}
	case 2:
		return asm.Instructions{op.Reg32(a, b)}
	case 3:
		return asm.Instructions{op.Imm(a, number)}
	case 4:
		return asm.Instructions{op.Imm32(a, number)}
	case 5:
		shift := []asm.ALUOp{asm.LSh, asm.RSh, asm.ArSh}[r.IntN(3)]
		return []asm.Instructions{
			{shift.Imm(a, int32(r.IntN(64)))}, {shift.Imm32(a, int32(r.IntN(32)))},
			{asm.And.Imm(b, 63), shift.Reg(a, b)}, {asm.And.Imm(b, 31), shift.Reg32(a, b)},
		}[r.IntN(4)]
	case 6:
		order := []asm.Endianness{asm.BE, asm.LE}[r.IntN(2)]
		return asm.Instructions{asm.HostTo(order, a, []asm.Size{asm.Half, asm.Word, asm.DWord}[r.IntN(3)])}
	case 7:
		return asm.Instructions{asm.StoreMem(asm.RFP, slot, a, size)}
	case 8:
		return asm.Instructions{asm.LoadMem(a, asm.RFP, slot, size)}
	case 9:
		return asm.Instructions{asm.LoadMem(a, asm.R2, int16(r.IntN(56)), size)}
	case 10:
		return asm.Instructions{asm.StoreMem(asm.R2, int16(r.IntN(56)), a, size)}
	case 11:
		return asm.Instructions{raw(0x87, a, 0, 0)} // negate
	case 12: // read and write at once
		atomic := []int32{0x00, 0x40, 0x50, 0xa0, 0x01, 0x41, 0x51, 0xa1, 0xe1, 0xf1}[r.IntN(10)]
		i := raw(0xdb, asm.RFP, b, atomic)
		if r.IntN(2) == 0 {
			i = raw(0xc3, asm.RFP, b, atomic)
		}
		i.Offset = slot
		return asm.Instructions{i}
	}
	moved := raw(0xbf, a, b, 0) // with a sign
	moved.Offset = []int16{8, 16, 32}[r.IntN(3)]
	return asm.Instructions{moved}
}

func randomJump(r *rand.Rand, a, b asm.Register, label string) asm.Instruction {
	op := []asm.JumpOp{
		asm.JEq, asm.JGT, asm.JGE, asm.JSet, asm.JNE, asm.JSGT, asm.JSGE, asm.JLT, asm.JLE, asm.JSLT, asm.JSLE,
	}[r.IntN(11)]
	number := int32(r.Uint32())
	switch r.IntN(4) {
	case 0:
		return op.Reg(a, b, label)
	case 1:
		return op.Reg32(a, b, label)
	case 2:
		return op.Imm(a, number, label)
	}
	return op.Imm32(a, number, label)
}
