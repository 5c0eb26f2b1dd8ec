package machine

import (
	"testing"

	"github.com/cilium/ebpf/asm"
	"github.com/stretchr/testify/require"
)

// A helper behind what is constant is not called, and one that may be is.
func TestCalls(t *testing.T) {
	call := asm.FnKtimeGetNs.Call()
	for _, c := range []struct {
		name  string
		insns asm.Instructions
		want  []int // instructions
	}{
		{"plain", asm.Instructions{call, asm.Return()}, []int{0}},
		{"constant", asm.Instructions{
			asm.Mov.Imm(asm.R1, 1), asm.JEq.Imm(asm.R1, 1, "out"), call, asm.Mov.Imm(asm.R0, 0).WithSymbol("out"), asm.Return(),
		}, nil},
		{"other constant", asm.Instructions{
			asm.Mov.Imm(asm.R1, 0), asm.JEq.Imm(asm.R1, 1, "out"), call, asm.Mov.Imm(asm.R0, 0).WithSymbol("out"), asm.Return(),
		}, []int{2}},
		{"calculated", asm.Instructions{
			asm.Mov.Imm(asm.R1, 5), asm.Add.Imm(asm.R1, -4), asm.LSh.Imm(asm.R1, 3), asm.JNE.Imm(asm.R1, 9, "out"), call,
			asm.Mov.Imm(asm.R0, 0).WithSymbol("out"), asm.Return(),
		}, nil},
		{"fixed memory", asm.Instructions{
			mapValue(asm.R2, 1), asm.LoadMem(asm.R1, asm.R2, 4, asm.Word), asm.JEq.Imm(asm.R1, 7, "out"), call,
			asm.Mov.Imm(asm.R0, 0).WithSymbol("out"), asm.Return(),
		}, nil},
		{"changing memory", asm.Instructions{
			mapValue(asm.R2, 2), asm.LoadMem(asm.R1, asm.R2, 4, asm.Word), asm.JEq.Imm(asm.R1, 7, "out"), call,
			asm.Mov.Imm(asm.R0, 0).WithSymbol("out"), asm.Return(),
		}, []int{4}},
		{"in a loop", asm.Instructions{
			asm.Mov.Imm(asm.R6, 0), asm.Mov.Reg(asm.R7, asm.R6).WithSymbol("again"), asm.Add.Imm(asm.R6, 1), asm.JEq.Imm(asm.R6, 9, "call"),
			asm.JLT.Imm(asm.R6, 10, "again"), asm.Return(), call.WithSymbol("call"), asm.Return(),
		}, []int{6}},
		{"own function", asm.Instructions{
			asm.Mov.Imm(asm.R1, 1), asm.Call.Label("f"), asm.Return(), call.WithSymbol("f"), asm.Return(),
		}, []int{3}},
		{"function that nobody calls", asm.Instructions{asm.Mov.Imm(asm.R0, 0), asm.Return(), call, asm.Return()}, nil},
		{"after a call nothing is known", asm.Instructions{
			asm.Mov.Imm(asm.R0, 1), asm.FnJiffies64.Call(), asm.JEq.Imm(asm.R0, 1, "out"), call, asm.Return().WithSymbol("out"),
		}, []int{1, 3}},
	} {
		t.Run(c.name, func(t *testing.T) {
			fixed := func(id, offset uint32, size int) (uint64, bool) { return 7, id == 1 && offset == 4 && size == 4 }
			var got []int
			for _, call := range New(assemble(t, c.insns), SKB).Calls(fixed) {
				got = append(got, call.At)
			}
			require.Equal(t, c.want, got)
		})
	}
}
