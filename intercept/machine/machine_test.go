package machine

import (
	"bytes"
	"testing"

	"github.com/cilium/ebpf/asm"
	"github.com/stretchr/testify/require"

	"github.com/nkconform/nkconform/intercept/layout"
)

// world has maps in memory: arrays by 32-bit index.
type world struct {
	maps  map[uint32]*array
	clock uint64

	traced []string
	facts  Facts
	timers Timers
	later  []func() error
	delays []uint64
}

func (w *world) Map(id uint32) Map {
	if m := w.maps[id]; m != nil {
		return m
	}
	return nil
}
func (w *world) Now() uint64    { w.clock++; return w.clock }
func (w *world) Random() uint32 { return 4 }
func (w *world) Trace(t string) { w.traced = append(w.traced, t) }
func (w *world) Wake(uint32)    {}
func (w *world) Facts() Facts   { return w.facts }

func (w *world) Timers() *Timers { return &w.timers }
func (w *world) After(after uint64, f func() error) {
	w.later = append(w.later, f)
	w.delays = append(w.delays, after)
}
func (w *world) Types() (*layout.Types, error) { return layout.Running() }

type array struct {
	values [][]byte
	inner  map[uint32]uint32
	tails  map[uint32]*Program
	queue  [][]byte
	ring   []byte
}

func newArray(n, size int) *array {
	a := &array{}
	for range n {
		a.values = append(a.values, make([]byte, size))
	}
	return a
}

func (a *array) KeySize() uint32 { return 4 }
func (a *array) ValueSize() uint32 {
	if len(a.values) == 0 {
		return 4
	}
	return uint32(len(a.values[0]))
}

func (a *array) Lookup(key []byte) []byte {
	i := native.Uint32(key)
	if i >= uint32(len(a.values)) {
		return nil
	}
	return a.values[i]
}

func (a *array) Update(key, value []byte, _ uint64) int {
	v := a.Lookup(key)
	if v == nil {
		return 7 // E2BIG
	}
	copy(v, value)
	return 0
}
func (a *array) Delete([]byte) int { return invalid }
func (a *array) Inner(key []byte) (uint32, bool) {
	id, ok := a.inner[native.Uint32(key)]
	return id, ok
}

func (a *array) Entries() uint32                    { return uint32(len(a.values)) }
func (a *array) Ring() []byte                       { return a.ring }
func (a *array) Held(uint32) bool                   { return false }
func (a *array) Output(uint32, Sample) (int, error) { return noEntry, nil }

func (a *array) Cgroup(uint32) (uint64, bool) { return 0, false }
func (a *array) Stored(uint64, []byte) []byte { return nil }
func (a *array) Forget(uint64) bool           { return false }

func (a *array) Device(uint32) (o Outlet, ok bool) { return o, false }
func (a *array) CPU(uint32) (o Outlet, ok bool)    { return o, false }
func (a *array) Holder(place *byte) []byte {
	return nil
}
func (a *array) Devices() ([]Outlet, bool) { return nil, false }

func (a *array) LookupCPU(key []byte, cpu uint32) []byte {
	if cpu != 0 {
		return nil
	}
	return a.Lookup(key)
}

func (a *array) Keys() (keys [][]byte) {
	for i := range a.values {
		keys = append(keys, native.AppendUint32(nil, uint32(i)))
	}
	return keys
}

func (a *array) Tail(i uint32) *Program { return a.tails[i] }
func (a *array) Push(value []byte, _ uint64) int {
	a.queue = append(a.queue, value)
	return 0
}

func (a *array) Pop(remove bool) []byte {
	if len(a.queue) == 0 {
		return nil
	}
	v := a.queue[0]
	if remove {
		a.queue = a.queue[1:]
	}
	return v
}

// assemble makes bytes of a program.
func assemble(t testing.TB, insns asm.Instructions) []byte {
	t.Helper()
	var code bytes.Buffer
	require.NoError(t, insns.Marshal(&code, byteOrder))
	return code.Bytes()
}

func someFrame() []byte {
	p := make([]byte, 64)
	p[12], p[13] = 0x88, 0xb5
	for i := range p[14:] {
		p[14+i] = byte(i)
	}
	return p
}

// mapPointer loads the address of a map, by its id.
func mapPointer(dst asm.Register, id int64) asm.Instruction {
	i := asm.LoadImm(dst, id, asm.DWord)
	i.Src = asm.PseudoMapFD
	return i
}

func mapValue(dst asm.Register, id int64) asm.Instruction {
	i := mapPointer(dst, id)
	i.Src = asm.PseudoMapValue
	return i
}

func keyOnStack(v int64) asm.Instructions {
	return asm.Instructions{
		asm.StoreImm(asm.RFP, -4, v, asm.Word),
		asm.Mov.Reg(asm.R2, asm.RFP),
		asm.Add.Imm(asm.R2, -4),
	}
}

// What programs return is known from the language's definition, and for the same
// programs from the running kernel (TestAgainstKernel).
func TestPrograms(t *testing.T) {
	join := func(parts ...asm.Instructions) (all asm.Instructions) {
		for _, p := range parts {
			all = append(all, p...)
		}
		return all
	}
	fromPacket := func(at int16) asm.Instructions { // the byte, or -1 outside
		return asm.Instructions{
			asm.LoadMem(asm.R2, asm.R1, skbData, asm.Word),
			asm.LoadMem(asm.R3, asm.R1, skbDataEnd, asm.Word),
			asm.Mov.Imm(asm.R0, -1),
			asm.Mov.Reg(asm.R4, asm.R2),
			asm.Add.Imm(asm.R4, int32(at)+1),
			asm.JGT.Reg(asm.R4, asm.R3, "out"),
			asm.LoadMem(asm.R0, asm.R2, at, asm.Byte),
			asm.Return().WithSymbol("out"),
		}
	}
	for _, c := range []struct {
		name  string
		insns asm.Instructions
		want  int32
	}{
		{"constant", asm.Instructions{asm.Mov.Imm(asm.R0, -1), asm.Return()}, -1},
		{"length", asm.Instructions{asm.LoadMem(asm.R0, asm.R1, skbLen, asm.Word), asm.Return()}, 64},
		{"protocol", asm.Instructions{
			asm.LoadMem(asm.R0, asm.R1, skbProtocol, asm.Word), asm.HostTo(asm.BE, asm.R0, asm.Half), asm.Return(),
		}, 0x88b5},
		{"packet", fromPacket(16), 2},
		{"behind the packet", fromPacket(64), -1},
		{"stack", asm.Instructions{
			asm.Mov.Imm(asm.R2, -2), asm.StoreMem(asm.RFP, -8, asm.R2, asm.DWord), asm.LoadMem(asm.R0, asm.RFP, -4, asm.Word), asm.Return(),
		}, -1},
		{"mark is kept", asm.Instructions{
			asm.Mov.Imm(asm.R2, 5), asm.StoreMem(asm.R1, SKBMark, asm.R2, asm.Word),
			asm.LoadMem(asm.R0, asm.R1, SKBMark, asm.Word), asm.Return(),
		}, 5},
		{"bytes of the packet", asm.Instructions{
			asm.Mov.Imm(asm.R2, 15), asm.Mov.Reg(asm.R3, asm.RFP), asm.Add.Imm(asm.R3, -4), asm.Mov.Imm(asm.R4, 1),
			asm.StoreImm(asm.RFP, -4, 0, asm.Word),
			asm.FnSkbLoadBytes.Call(), asm.LoadMem(asm.R0, asm.RFP, -4, asm.Byte), asm.Return(),
		}, 1},
		{"more than the packet", asm.Instructions{
			asm.Mov.Imm(asm.R2, 62), asm.Mov.Reg(asm.R3, asm.RFP), asm.Add.Imm(asm.R3, -4), asm.Mov.Imm(asm.R4, 4),
			asm.FnSkbLoadBytes.Call(), asm.Return(),
		}, -fault},
		{"redirect", asm.Instructions{
			asm.Mov.Imm(asm.R1, 1), asm.Mov.Imm(asm.R2, 0), asm.FnRedirect.Call(), asm.Return(),
		}, 7},
		{"own function", asm.Instructions{
			asm.Mov.Imm(asm.R1, 20), asm.Mov.Imm(asm.R6, 1), asm.Call.Label("double"),
			asm.Add.Reg(asm.R0, asm.R6), asm.Return(),
			asm.Mov.Reg(asm.R0, asm.R1).WithSymbol("double"), asm.Add.Reg(asm.R0, asm.R1),
			asm.Mov.Imm(asm.R6, 9), asm.Return(),
		}, 41},
		{"map value", asm.Instructions{
			mapValue(asm.R1, 1), asm.LoadMem(asm.R2, asm.R1, 0, asm.DWord), asm.Add.Imm(asm.R2, 3),
			asm.StoreMem(asm.R1, 0, asm.R2, asm.DWord), asm.LoadMem(asm.R0, asm.R1, 0, asm.Word), asm.Return(),
		}, 3},
		{"counter", join(keyOnStack(0), asm.Instructions{
			mapPointer(asm.R1, 1), asm.FnMapLookupElem.Call(), asm.JEq.Imm(asm.R0, 0, "out"),
			asm.Mov.Imm(asm.R1, 2), asm.StoreXAdd(asm.R0, asm.R1, asm.DWord),
			asm.LoadMem(asm.R0, asm.R0, 0, asm.Word), asm.Return().WithSymbol("out"),
		}), 2},
		{"no such element", join(keyOnStack(9), asm.Instructions{
			mapPointer(asm.R1, 1), asm.FnMapLookupElem.Call(), asm.JEq.Imm(asm.R0, 0, "none"),
			asm.Mov.Imm(asm.R0, 1), asm.Return(), asm.Mov.Imm(asm.R0, 33).WithSymbol("none"), asm.Return(),
		}), 33},
		{"update", join(keyOnStack(0), asm.Instructions{
			mapPointer(asm.R1, 1), asm.Mov.Imm(asm.R3, 77), asm.StoreMem(asm.RFP, -16, asm.R3, asm.DWord), asm.Mov.Reg(asm.R3, asm.RFP),
			asm.Add.Imm(asm.R3, -16), asm.Mov.Imm(asm.R4, 0), asm.FnMapUpdateElem.Call(),
			mapValue(asm.R1, 1), asm.LoadMem(asm.R0, asm.R1, 0, asm.Word), asm.Return(),
		}), 77},
		{"sign", asm.Instructions{
			asm.LoadImm(asm.R1, 0x80, asm.DWord), asm.StoreMem(asm.RFP, -8, asm.R1, asm.DWord),
			asm.LoadMem(asm.R0, asm.RFP, -8, asm.Byte), asm.LSh.Imm(asm.R0, 56), asm.ArSh.Imm(asm.R0, 56), asm.Return(),
		}, -128},
		{"division by zero", asm.Instructions{
			asm.Mov.Imm(asm.R1, 0), asm.Mov.Imm(asm.R0, 7), asm.Div.Reg(asm.R0, asm.R1), asm.Return(),
		}, 0},
		{"32 bits", asm.Instructions{
			asm.Mov.Imm(asm.R0, -1), asm.Add.Imm32(asm.R0, 1), asm.RSh.Imm(asm.R0, 32), asm.Return(),
		}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := New(assemble(t, c.insns), SKB)
			got, err := p.Run(NewPacket(someFrame(), 5), &world{maps: map[uint32]*array{1: newArray(1, 8)}})
			require.NoError(t, err)
			require.Equal(t, c.want, got)
		})
	}
}

// What no verifier would let pass ends the run, and nothing else.
func TestFaults(t *testing.T) {
	deep := asm.Instructions{asm.Call.Label("f"), asm.Return()}
	deep = append(deep, asm.Call.Label("f").WithSymbol("f"), asm.Return())
	for _, c := range []struct {
		name  string
		insns asm.Instructions
		want  string
	}{
		{"null", asm.Instructions{asm.Mov.Imm(asm.R1, 0), asm.LoadMem(asm.R0, asm.R1, 0, asm.Word)}, "out of reach"},
		{"a made-up address", asm.Instructions{
			asm.LoadImm(asm.R1, 0x7fff_0000_0000, asm.DWord), asm.StoreImm(asm.R1, 0, 1, asm.Word),
		}, "out of reach"},
		{"above the stack", asm.Instructions{asm.StoreImm(asm.RFP, 0, 1, asm.Byte)}, "out of reach"},
		{"below the stack", asm.Instructions{asm.StoreImm(asm.RFP, -516, 1, asm.Word)}, "out of reach"},
		{"behind the packet", asm.Instructions{
			asm.LoadMem(asm.R1, asm.R1, skbDataEnd, asm.Word), asm.LoadMem(asm.R0, asm.R1, 0, asm.Byte),
		}, "out of reach"},
		{"no map", asm.Instructions{mapPointer(asm.R1, 9), asm.FnMapLookupElem.Call()}, "no such map"},
		{"a number for a map", asm.Instructions{asm.Mov.Imm(asm.R1, 1), asm.FnMapLookupElem.Call()}, "no such map"},
		{"endless", asm.Instructions{asm.Ja.Label("l").WithSymbol("l")}, "did not end"},
		{"no end", asm.Instructions{asm.Mov.Imm(asm.R0, 0)}, "left its instructions"},
		{"deep", deep, "calls deeper"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := New(assemble(t, c.insns), SKB).Run(NewPacket(someFrame(), 1), &world{})
			require.ErrorContains(t, err, c.want)
		})
	}
}

func raw(code uint8, dst, src asm.Register, constant int32) asm.Instruction {
	return asm.Instruction{OpCode: asm.OpCode(code), Dst: dst, Src: src, Constant: int64(constant)}
}

func callOf(number int32) asm.Instruction { return raw(0x85, 0, 0, number) }

// What is not simulated ends the run where it is executed, and says its name.
func TestUnknown(t *testing.T) {
	kfunc := asm.Instruction{OpCode: asm.OpCode(0x85), Src: 2, Constant: 7}
	for _, c := range []struct {
		insns asm.Instructions
		want  string
	}{
		{asm.Instructions{asm.FnPerCpuPtr.Call(), asm.Return()}, "instruction 0: helper bpf_per_cpu_ptr: not simulated"},
		{asm.Instructions{callOf(5000), asm.Return()}, "instruction 0: helper 5000: not simulated"},
		{asm.Instructions{asm.Mov.Imm(asm.R0, 0), kfunc, asm.Return()}, "instruction 1: function 7 of the kernel: not simulated"},
	} {
		_, err := New(assemble(t, c.insns), SKB).Run(NewPacket(someFrame(), 1), &world{})
		require.ErrorIs(t, err, ErrUnknown)
		require.Regexp(t, "^"+c.want+"($|: types of the running kernel)", err.Error()) // which may tell of none
	}
	// What is not reached does no harm.
	got, err := New(assemble(t, asm.Instructions{
		asm.Mov.Imm(asm.R0, 2), asm.JEq.Imm(asm.R0, 2, "out"), asm.FnPerCpuPtr.Call(), asm.Return().WithSymbol("out"),
	}), SKB).Run(NewPacket(someFrame(), 1), &world{})
	require.NoError(t, err)
	require.EqualValues(t, 2, got)
}

func TestTailCall(t *testing.T) {
	calls := func(index int32) asm.Instructions {
		return asm.Instructions{
			mapPointer(asm.R2, 1), asm.Mov.Imm(asm.R3, index), asm.FnTailCall.Call(), asm.Mov.Imm(asm.R0, 9), asm.Return(),
		}
	}
	maps := map[uint32]*array{1: {tails: map[uint32]*Program{
		0: New(assemble(t, asm.Instructions{asm.LoadMem(asm.R0, asm.R1, skbLen, asm.Word), asm.Return()}), SKB),
		1: New(assemble(t, calls(1)), SKB), // calls itself as often as it may
		3: New(assemble(t, asm.Instructions{asm.FnPerCpuPtr.Call(), asm.Return()}), SKB),
	}}}
	run := func(index int32) (int32, error) {
		return New(assemble(t, calls(index)), SKB).Run(NewPacket(someFrame(), 1), &world{maps: maps})
	}
	for index, want := range map[int32]int32{0: 64, 1: 9, 2: 9} {
		got, err := run(index)
		require.NoError(t, err)
		require.Equal(t, want, got, index)
	}
	_, err := run(3)
	require.ErrorIs(t, err, ErrUnknown)
}

func TestXDP(t *testing.T) {
	p := New(assemble(t, asm.Instructions{
		asm.LoadMem(asm.R2, asm.R1, xdpData, asm.Word), asm.LoadMem(asm.R0, asm.R1, xdpDataEnd, asm.Word),
		asm.Sub.Reg(asm.R0, asm.R2), asm.Return(),
	}), XDP)
	got, err := p.Run(NewPacket(someFrame(), 1), &world{})
	require.NoError(t, err)
	require.Equal(t, int32(64), got)
}

// A classic program's loads are in the packet's order of bytes, and end it
// outside.
func TestClassicLoads(t *testing.T) {
	for at, want := range map[int32]int32{12: 0x88b5, 63: 0} {
		p := New(assemble(t, asm.Instructions{
			asm.Mov.Reg(asm.R6, asm.R1), asm.LoadAbs(at, asm.Half), asm.Return(),
		}), SKB)
		got, err := p.Run(NewPacket(someFrame(), 1), &world{})
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
}

func FuzzRun(f *testing.F) {
	f.Add(assemble(f, asm.Instructions{asm.Mov.Imm(asm.R0, 1), asm.Return()}))
	f.Add(assemble(f, append(keyOnStack(0), mapPointer(asm.R1, 1), asm.FnMapLookupElem.Call(), asm.Return())))
	f.Fuzz(func(_ *testing.T, code []byte) {
		code = code[:len(code)/insnSize*insnSize]
		_, _ = New(code, SKB).Run(NewPacket(someFrame(), 1), &world{maps: map[uint32]*array{1: newArray(2, 8)}})
	})
}
