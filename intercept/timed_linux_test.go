//go:build amd64 || arm64

package intercept

import (
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
	ebpflink "github.com/cilium/ebpf/link"

	"github.com/nkconform/nkconform/internal/doctor"
)

// Timers fire, and programs know who sends their packets.
func TestTimers(t *testing.T) {
	t.Log(output(t, target(t, "", "timed")))
}

func TestSendersAreKnown(t *testing.T) {
	doctor.Need(t, "tun")
	t.Log(output(t, target(t, "", "who")))
}

// timedTarget has a test run start a timer, and waits for what its callback writes.
func timedTarget() error {
	number := func(size uint32) *btf.Int { return &btf.Int{Name: fmt.Sprint("number", size), Size: size} }
	timer := &btf.Struct{Name: "bpf_timer", Size: 16, Members: []btf.Member{
		{Name: "__opaque", Type: &btf.Array{Index: number(4), Type: number(8), Nelems: 2}},
	}}
	m, err := ebpf.NewMap(&ebpf.MapSpec{
		Type: ebpf.Array, KeySize: 4, ValueSize: 24, MaxEntries: 1, Key: number(4),
		Value: &btf.Struct{Name: "timed", Size: 24, Members: []btf.Member{{Name: "timer", Type: timer}, {Name: "more", Type: number(8), Offset: 128}}},
	})
	if err != nil {
		return fmt.Errorf("map: %w", err)
	}
	function := func(name string) *btf.Func {
		return &btf.Func{Name: name, Type: &btf.FuncProto{Return: &btf.Int{Name: "int", Size: 4, Encoding: btf.Signed}}, Linkage: btf.StaticFunc}
	}
	call := func(fn asm.BuiltinFunc, more ...asm.Instruction) asm.Instructions {
		return append(append(asm.Instructions{asm.Mov.Reg(asm.R1, asm.R8)}, more...), fn.Call(), asm.JNE.Imm(asm.R0, 0, "out"))
	}
	insns := asm.Instructions{
		btf.WithFuncMetadata(asm.StoreImm(asm.RFP, -4, 0, asm.Word), function("main")).WithSymbol("main"),
		asm.LoadMapPtr(asm.R1, m.FD()), asm.Mov.Reg(asm.R2, asm.RFP), asm.Add.Imm(asm.R2, -4), asm.FnMapLookupElem.Call(),
		asm.Mov.Reg(asm.R8, asm.R0), asm.Mov.Imm(asm.R0, 1), asm.JEq.Imm(asm.R8, 0, "out"),
	}
	insns = append(insns, call(asm.FnTimerInit, asm.LoadMapPtr(asm.R2, m.FD()), asm.Mov.Imm(asm.R3, 1))...)
	insns = append(insns, call(asm.FnTimerSetCallback, asm.Instruction{OpCode: asm.LoadImmOp(asm.DWord), Dst: asm.R2, Src: asm.PseudoFunc, Constant: -1}.WithReference("tick"))...)
	insns = append(insns, call(asm.FnTimerStart, asm.Mov.Imm(asm.R2, 1000), asm.Mov.Imm(asm.R3, 0))...)
	insns = append(insns, asm.Return().WithSymbol("out"),
		btf.WithFuncMetadata(asm.Mov.Imm(asm.R0, 7), function("tick")).WithSymbol("tick"),
		asm.StoreMem(asm.R3, 16, asm.R0, asm.DWord), asm.Mov.Imm(asm.R0, 0), asm.Return())
	prog, err := ebpf.NewProgram(&ebpf.ProgramSpec{Name: "main", Type: ebpf.SchedCLS, License: "GPL", Instructions: insns})
	if err != nil {
		return fmt.Errorf("program: %w", err)
	}
	ret, _, err := prog.Test(make([]byte, 64))
	if err := errors.Join(err, want("test run", int(ret), 0)); err != nil {
		return err
	}
	value := make([]byte, 24)
	for began := time.Now(); native.Uint64(value[16:]) != 7; {
		if err := m.Lookup(uint32(0), &value); err != nil {
			return err
		}
		if time.Since(began) > 10*time.Second {
			return errors.New("the timer has not fired")
		}
	}
	return nil
}

// whoTarget has a program note which process sends a packet.
func whoTarget() error {
	a, err := newPod("host0")
	if err != nil {
		return err
	}
	ids, err := ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.Array, KeySize: 4, ValueSize: 8, MaxEntries: 1})
	if err != nil {
		return err
	}
	prog, err := ebpf.NewProgram(&ebpf.ProgramSpec{Type: ebpf.SchedCLS, License: "GPL", Instructions: asm.Instructions{
		asm.FnGetCurrentPidTgid.Call(), asm.StoreMem(asm.RFP, -16, asm.R0, asm.DWord), asm.StoreImm(asm.RFP, -4, 0, asm.Word),
		asm.LoadMapPtr(asm.R1, ids.FD()), asm.Mov.Reg(asm.R2, asm.RFP), asm.Add.Imm(asm.R2, -4),
		asm.Mov.Reg(asm.R3, asm.RFP), asm.Add.Imm(asm.R3, -16), asm.Mov.Imm(asm.R4, 0), asm.FnMapUpdateElem.Call(),
		asm.Mov.Imm(asm.R0, 0), asm.Return(),
	}})
	if err != nil {
		return err
	}
	l, err := ebpflink.AttachTCX(ebpflink.TCXOptions{Interface: a.host, Program: prog, Attach: ebpf.AttachTCXEgress})
	if err != nil {
		return err
	}
	var id uint64
	err = errors.Join(sendFrame(a.host, 1), ids.Lookup(uint32(0), &id), l.Close())
	return errors.Join(err, want("the process", int(id>>32), os.Getpid()))
}
