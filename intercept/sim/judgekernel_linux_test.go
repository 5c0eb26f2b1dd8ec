package sim

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"

	"github.com/nkconform/nkconform/intercept/layout"
)

// kernelTypes are those of the running kernel; without them programs cannot name its
// structures and functions.
func kernelTypes(t *testing.T) *layout.Types {
	t.Helper()
	found, err := layout.Running()
	if err != nil {
		t.Skip(err)
	}
	return found
}

// field reads a field of a structure whose address is in a register, into memory. In
// which part of it is for the random numbers to say.
func field(r *rand.Rand, of *layout.Types, structure, name string, from asm.Instructions, out place) step {
	f := of.Structure(structure)[name]
	at, size := uint32(0), f.Size
	if r.IntN(4) == 0 && f.Size > 1 {
		at = r.Uint32N(f.Size)
		size = 1 + r.Uint32N(f.Size-at)
	}
	s := callStep(asm.FnProbeReadKernel, out, int(size))
	s.name = fmt.Sprintf("%d bytes at %d of %s.%s", size, at, structure, name)
	call := s.insns[len(s.insns)-1]
	s.insns = append(append(append(asm.Instructions{}, from...), asm.Add.Imm(asm.R3, int32(f.Offset+at))), s.insns[:len(s.insns)-1]...)
	s.insns = append(s.insns, call)
	return s
}

// pointer is a step that gets the address in a field of a structure to a register.
func pointer(of *layout.Types, structure, name string, from asm.Instructions) asm.Instructions {
	f := of.Structure(structure)[name]
	return append(append(asm.Instructions{}, from...), asm.Add.Imm(asm.R3, int32(f.Offset)),
		asm.Mov.Reg(asm.R1, asm.RFP), asm.Add.Imm(asm.R1, -8), asm.Mov.Imm(asm.R2, 8), asm.FnProbeReadKernel.Call(),
		asm.LoadMem(asm.R3, asm.RFP, -8, asm.DWord))
}

var fromContextOnly = asm.Instructions{asm.Mov.Reg(asm.R3, asm.R6)}

// onKernel reads what stands behind the context.
func onKernel(r *rand.Rand, of *layout.Types, typ ebpf.ProgramType) step {
	out := place{outputAt + 16*r.IntN(40)}
	context, toDevice := "sk_buff", []string{"dev"}
	fields := []string{"len", "data_len", "mark", "priority", "queue_mapping", "skb_iif", "vlan_tci", "vlan_proto", "tc_index", "protocol", "tstamp"}
	if typ == ebpf.XDP {
		context, toDevice, fields = "xdp_buff", []string{"rxq", "dev"}, nil
	}
	switch n := r.IntN(8); {
	case n < 4 && fields != nil:
		return field(r, of, context, oneOf(r, fields...), fromContextOnly, out)
	case n < 6:
		from := pointer(of, context, toDevice[0], fromContextOnly)
		if len(toDevice) > 1 {
			from = pointer(of, "xdp_rxq_info", toDevice[1], from)
		}
		return field(r, of, "net_device", oneOf(r, "ifindex", "mtu", "name", "hard_header_len", "type", "needed_headroom", "needed_tailroom"), from, out)
	case n == 6:
		s := callStep(oneOf(r, asm.FnProbeReadKernel, asm.FnProbeReadKernelStr), out, 1+r.IntN(16), oneOf[any](r, 0, 1, 4095, int64(1<<46), int64(-1<<63+1<<40), int64(-1<<62), int64(-4096)))
		if r.IntN(2) == 0 { // the packet itself
			s = field(r, of, context, "data", fromContextOnly, out)
			s.name = "bytes of the packet"
			s.insns = append(pointer(of, context, "data", fromContextOnly), callStep(asm.FnProbeReadKernel, out, 1+r.IntN(14)).insns...)
		}
		return s
	}
	from := pointer(of, context, toDevice[0], fromContextOnly)
	if len(toDevice) > 1 {
		from = pointer(of, "xdp_rxq_info", toDevice[1], from)
	}
	size := 1 + r.IntN(6)
	s := callStep(asm.FnProbeReadKernelStr, out, size)
	s.name = fmt.Sprintf("the device's name, %d bytes", size)
	call := s.insns[len(s.insns)-1]
	s.insns = append(append(from, asm.Add.Imm(asm.R3, int32(of.Structure("net_device")["name"].Offset))), append(s.insns[:len(s.insns)-1:len(s.insns)-1], call)...)
	return s
}

// TestJudgeKernelMemory has programs read fields of the kernel's structures.
func TestJudgeKernelMemory(t *testing.T) {
	of := kernelTypes(t)
	j := newJudge(t)
	r := rand.New(rand.NewPCG(1, 0))
	j.all(600, func() *trial {
		c := &trial{typ: oneOf(r, ebpf.SchedCLS, ebpf.SchedCLS, ebpf.XDP), frame: randomFrame(r)}
		if c.typ == ebpf.SchedCLS {
			c.context = make([]byte, 192)
			for _, field := range []int{8, 32, 152} {
				native.PutUint32(c.context[field:], r.Uint32())
			}
		}
		for range 1 + r.IntN(8) {
			switch {
			case c.typ == ebpf.SchedCLS && r.IntN(4) == 0:
				c.steps = append(c.steps, onField(r))
			case c.typ == ebpf.SchedCLS && r.IntN(6) == 0:
				c.steps = append(c.steps, onSocket(r))
			default:
				c.steps = append(c.steps, onKernel(r, of, c.typ))
			}
		}
		return c
	})
}

// onSocket looks at the socket of the packet's sender, which test runs make.
func onSocket(r *rand.Rand) step {
	labels++
	none := fmt.Sprint("none", labels)
	at := oneOf(r, 0, 4, 8, 12, 16, 24, 44, 52, 72)
	s := step{name: fmt.Sprintf("load %d of the socket", at), insns: asm.Instructions{
		asm.LoadMem(asm.R1, asm.R6, 168, asm.DWord), asm.Mov.Imm(asm.R0, 77), asm.JEq.Imm(asm.R1, 0, none),
		asm.FnSkFullsock.Call(), asm.JEq.Imm(asm.R0, 0, none), asm.LoadMem(asm.R0, asm.R0, int16(at), asm.Word), asm.Mov.Reg(asm.R1, asm.R0).WithSymbol(none),
	}}
	if r.IntN(3) == 0 {
		s.name = "the socket that listens"
		s.insns = asm.Instructions{
			asm.LoadMem(asm.R1, asm.R6, 168, asm.DWord), asm.Mov.Imm(asm.R0, 77), asm.JEq.Imm(asm.R1, 0, none),
			asm.FnSkFullsock.Call(), asm.JEq.Imm(asm.R0, 0, none), asm.Mov.Reg(asm.R1, asm.R0), asm.FnGetListenerSock.Call(),
			asm.JEq.Imm(asm.R0, 0, none), asm.Mov.Imm(asm.R0, 1), asm.Mov.Reg(asm.R1, asm.R0).WithSymbol(none),
		}
	}
	return s
}
