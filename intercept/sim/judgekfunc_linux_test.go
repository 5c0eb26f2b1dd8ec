package sim

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"

	"github.com/nkconform/nkconform/intercept/layout"
)

// kernelCall calls one of the kernel's own functions, with arguments.
func kernelCall(of *layout.Types, name string, arguments ...any) step {
	s := callStep(asm.FnUnspec, arguments...)
	s.name = fmt.Sprintf("%s%v", name, arguments)
	s.insns[len(s.insns)-1] = asm.Instruction{OpCode: asm.OpCode(asm.JumpClass).SetJumpOp(asm.Call), Src: asm.PseudoKfuncCall, Constant: int64(of.FunctionID(name))}
	return s
}

// number32 keeps what a function returns that is no more than 32 bits long.
func number32(s step) step {
	s.insns = append(s.insns, asm.LSh.Imm(asm.R0, 32), asm.RSh.Imm(asm.R0, 32))
	return s
}

// boolean keeps what a function returns that is a bool.
func boolean(s step) step {
	s.insns = append(s.insns, asm.And.Imm(asm.R0, 0xff))
	return s
}

const theDynptr = onStack(-32)

func fromPacket(of *layout.Types, typ ebpf.ProgramType, flags int) step {
	name := "bpf_dynptr_from_skb"
	if typ == ebpf.XDP {
		name = "bpf_dynptr_from_xdp"
	}
	return number32(kernelCall(of, name, theContext, flags, theDynptr))
}

// onDynptr are the functions for parts of memory, of which theDynptr is one.
func onDynptr(r *rand.Rand, of *layout.Types, typ ebpf.ProgramType) step {
	at := oneOf(r, 0, 1, 14, 20, 54, r.IntN(250), 100000)
	size := 1 + r.IntN(16)
	out := place{outputAt + 8*r.IntN(64)}
	labels++
	none := fmt.Sprint("none", labels)
	switch r.IntN(11) {
	case 0:
		return fromPacket(of, typ, oneOf(r, 0, 0, 0, 1))
	case 1:
		return callStep(asm.FnDynptrFromMem, inputPlace(r), oneOf(r, 8, 64, 1), oneOf(r, 0, 0, 1), theDynptr)
	case 2, 3:
		return callStep(asm.FnDynptrRead, out, size, theDynptr, at, oneOf(r, 0, 0, 0, 1))
	case 4:
		return callStep(asm.FnDynptrWrite, theDynptr, at, inputPlace(r), size, oneOf(r, 0, 0, 0, 1, 2, 8))
	case 5:
		s := callStep(asm.FnDynptrData, theDynptr, at, size)
		s.insns = append(s.insns, asm.JEq.Imm(asm.R0, 0, none), asm.LoadMem(asm.R0, asm.R0, 0, asm.Byte), asm.Mov.Reg(asm.R1, asm.R0).WithSymbol(none))
		return s
	case 6, 7:
		writes := typ == ebpf.XDP || typ == ebpf.SchedCLS
		name := oneOf(r, "bpf_dynptr_slice", "bpf_dynptr_slice_rdwr")
		s := kernelCall(of, name, theDynptr, at, onStack(-64), size)
		s.insns = append(zeroed(-64, -60, -56, -52), s.insns...)
		s.insns = append(s.insns, asm.JEq.Imm(asm.R0, 0, none), asm.LoadMem(asm.R1, asm.R0, int16(size-1), asm.Byte))
		if writes && name == "bpf_dynptr_slice_rdwr" {
			s.insns = append(s.insns, asm.StoreImm(asm.R0, 0, int64(r.IntN(100)), asm.Byte))
		}
		s.insns = append(s.insns, asm.Mov.Reg(asm.R0, asm.R1), asm.Mov.Reg(asm.R1, asm.R0).WithSymbol(none))
		return s
	case 8:
		return number32(kernelCall(of, "bpf_dynptr_adjust", theDynptr, oneOf(r, 0, 0, 1, 14, 100, at), oneOf(r, 0, 14, 40, 100, at, 1<<20)))
	case 9:
		return number32(kernelCall(of, "bpf_dynptr_size", theDynptr))
	}
	return oneOf(r, boolean(kernelCall(of, "bpf_dynptr_is_null", theDynptr)), boolean(kernelCall(of, "bpf_dynptr_is_rdonly", theDynptr)),
		number32(kernelCall(of, "bpf_dynptr_clone", theDynptr, onStack(-96))))
}

// counting is a loop over numbers, and returns how many there are, and what the last is.
func counting(r *rand.Rand, of *layout.Types) step {
	labels++
	loop, end := fmt.Sprint("loop", labels), fmt.Sprint("end", labels)
	from := oneOf(r, 0, 5, 1, -3&0xffffffff, 1<<31-1)
	to := oneOf(r, 0, 5, 9, 100, -1&0xffffffff, 1<<31-1)
	begin := number32(kernelCall(of, "bpf_iter_num_new", onStack(-104), from, to))
	next := kernelCall(of, "bpf_iter_num_next", onStack(-104))
	s := step{name: fmt.Sprintf("numbers from %d to %d", int32(from), int32(to))}
	s.insns = append(append(asm.Instructions{}, begin.insns...), asm.Mov.Reg(asm.R8, asm.R0))
	next.insns[0] = next.insns[0].WithSymbol(loop)
	s.insns = append(s.insns, next.insns...)
	s.insns = append(s.insns, asm.JEq.Imm(asm.R0, 0, end), asm.LoadMem(asm.R1, asm.R0, 0, asm.Word), asm.StoreMem(asm.R7, 4000, asm.R1, asm.Word),
		asm.LoadMem(asm.R1, asm.R7, 4008, asm.Word), asm.Add.Imm(asm.R1, 1), asm.StoreMem(asm.R7, 4008, asm.R1, asm.Word), asm.Ja.Label(loop))
	done := kernelCall(of, "bpf_iter_num_destroy", onStack(-104))
	done.insns[0] = done.insns[0].WithSymbol(end)
	s.insns = append(append(s.insns, done.insns...), asm.Mov.Reg(asm.R0, asm.R8))
	return s
}

// TestJudgeKernelFunctions has programs call the kernel's own functions.
func TestJudgeKernelFunctions(t *testing.T) {
	of := kernelTypes(t)
	for _, name := range []string{"bpf_dynptr_from_skb", "bpf_dynptr_slice", "bpf_dynptr_adjust", "bpf_iter_num_new"} {
		if of.FunctionID(name) == 0 {
			t.Skipf("the running kernel has no %s", name)
		}
	}
	j := newJudge(t)
	r := rand.New(rand.NewPCG(1, 0))
	j.all(200, func() *trial {
		c := &trial{typ: oneOf(r, ebpf.SchedCLS, ebpf.XDP), frame: randomFrame(r)}
		c.steps = append(c.steps, fromPacket(of, c.typ, 0))
		for range 1 + r.IntN(9) {
			if r.IntN(6) == 0 {
				c.steps = append(c.steps, counting(r, of))
			} else {
				c.steps = append(c.steps, onDynptr(r, of, c.typ))
			}
		}
		return c
	})
}

// TestJudgeCast has programs read structures as if they were their own.
func TestJudgeCast(t *testing.T) {
	of := kernelTypes(t)
	if of.FunctionID("bpf_cast_to_kern_ctx") == 0 {
		t.Skip("the running kernel has no bpf_cast_to_kern_ctx")
	}
	j := newJudge(t)
	r := rand.New(rand.NewPCG(1, 0))
	sizes := map[uint32]asm.Size{1: asm.Byte, 2: asm.Half, 4: asm.Word, 8: asm.DWord}
	j.all(300, func() *trial {
		c := &trial{typ: ebpf.SchedCLS, frame: randomFrame(r), context: make([]byte, 192)}
		native.PutUint32(c.context[8:], r.Uint32())
		for range 1 + r.IntN(6) {
			structure, name := "sk_buff", oneOf(r, "len", "data_len", "mark", "priority", "queue_mapping", "skb_iif", "protocol", "tstamp")
			s := kernelCall(of, "bpf_cast_to_kern_ctx", theContext)
			if r.IntN(2) == 0 {
				s.insns = append(s.insns, asm.LoadMem(asm.R1, asm.R0, int16(of.Structure("sk_buff")["dev"].Offset), asm.DWord), asm.LoadImm(asm.R2, int64(of.StructureID("net_device")), asm.DWord))
				s.insns = append(s.insns, kernelCall(of, "bpf_rdonly_cast").insns...)
				structure, name = "net_device", oneOf(r, "ifindex", "mtu", "hard_header_len", "needed_headroom")
			}
			f := of.Structure(structure)[name]
			s.name = structure + "." + name
			s.insns = append(s.insns, asm.LoadMem(asm.R0, asm.R0, int16(f.Offset), sizes[f.Size]))
			c.steps = append(c.steps, s)
		}
		return c
	})
}

// zeroed clears words of the stack.
func zeroed(at ...int16) (insns asm.Instructions) {
	for _, offset := range at {
		insns = append(insns, asm.StoreImm(asm.RFP, offset, 0, asm.Word)) // newer libraries store no immediate of 64 bits
	}
	return insns
}
