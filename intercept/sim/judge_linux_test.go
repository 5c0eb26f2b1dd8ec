package sim

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	types "github.com/cilium/ebpf/btf"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/nkconform/nkconform/fake"
	"github.com/nkconform/nkconform/intercept/machine"
	"github.com/nkconform/nkconform/mprog"
)

// The judge of what programs do is the running kernel's BPF_PROG_TEST_RUN: the same
// program and frame there and here, and all that can be seen of it.

// outcome is what can be seen of a test run.
type outcome struct {
	Errno   mprog.Errno
	Return  uint32
	Data    []byte
	Context []byte
	Memory  []byte // the value of the map in r7
}

// trial is a test run to be.
type trial struct {
	typ     ebpf.ProgramType
	steps   []step
	frame   []byte
	context []byte           // nil: none
	flags   uint32           // of the test run
	text    []byte           // at textAt of the memory
	format  []byte           // in the map of constants
	tail    asm.Instructions // functions of the program
	note    string           // for people
}

// step is a part of a program: with the context in r6 and memoryMap's value in r7.
// Its result is r0, which is kept.
type step struct {
	name  string
	insns asm.Instructions
	grows int // bytes, in front of the packet
}

const (
	valueSize = 4096 // of the memory in r7: results, then
	inputAt   = 1024 // bytes that the trial begins with, then
	textAt    = 1792 // the last of them, then
	outputAt  = 2048 // room
)

// program puts the steps together. Each keeps what it returns, and the last one's
// is returned.
func (c *trial) program(maps fds) asm.Instructions {
	insns := asm.Instructions{types.WithFuncMetadata(asm.Mov.Reg(asm.R6, asm.R1), functionOf("main")).WithSymbol("main"), asm.LoadMapValue(asm.R7, mapMark+theMemory, 0)}
	for i, s := range c.steps {
		insns = append(insns, s.insns...)
		insns = append(insns, asm.StoreMem(asm.R7, int16(8*i), asm.R0, asm.DWord))
	}
	if c.typ == ebpf.CGroupSKB {
		insns = append(insns, asm.And.Imm(asm.R0, 1))
	}
	insns = append(append(insns, asm.Return()), c.tail...)
	for i, in := range insns {
		if uint32(in.Constant)&^0xff == mapMark && in.OpCode.IsDWordLoad() {
			insns[i].Constant = in.Constant>>32<<32 | int64(maps[in.Constant&0xff])
		}
	}
	return insns
}

// function is what a program's function is in BTF.
func functionOf(name string) *types.Func {
	return &types.Func{Name: name, Type: &types.FuncProto{Return: &types.Int{Name: "int", Size: 4, Encoding: types.Signed}}, Linkage: types.StaticFunc}
}

func (c *trial) describe() string {
	var b bytes.Buffer
	b.WriteString(c.note)
	for i, s := range c.steps {
		fmt.Fprintf(&b, "%d %s\n", i, s.name)
	}
	return b.String()
}

// input is the memory that the trial begins with.
func (c *trial) input() []byte {
	p := make([]byte, valueSize)
	for i := range p[inputAt:textAt] {
		p[inputAt+i] = byte(i*7 + 1)
	}
	copy(p[textAt:outputAt], c.text)
	return p
}

const constantsSize = 128

// byteOrder is the machine's; package asm does not know binary.NativeEndian.
func byteOrder() binary.ByteOrder {
	if native.Uint16([]byte{0, 1}) == 1 {
		return binary.BigEndian
	}
	return binary.LittleEndian
}

// judge runs trials on the running kernel, and here.
type judge struct {
	t      *testing.T
	kernel [mapCount]*ebpf.Map
	p      *process
	here   fds
	same   map[int32]bool // helpers, of which answers were compared and are the same
}

// plainMemory is nobody else's.
type plainMemory []byte

func (m plainMemory) Bytes() []byte { return m }
func (m plainMemory) Close() error  { return nil }
func (m plainMemory) Wake()         {}

func newJudge(t *testing.T) *judge {
	o := Options{CPUs: 1, Memory: func(size int) (Memory, error) { return make(plainMemory, size), nil }}
	j := &judge{t: t, same: map[int32]bool{}, p: newProcess(t, o)}
	j.p.outside = loopbackOnly{}
	var u unix.Utsname
	require.NoError(t, unix.Uname(&u))
	if release, err := fake.ParseRelease(unix.ByteSliceToString(u.Release[:])); err == nil {
		j.p.sim = New(fake.New(fake.Running(release)), o)
	}
	t.Cleanup(j.hasJudged)
	for i, spec := range trialMaps {
		m, err := ebpf.NewMap(&spec)
		if err != nil {
			t.Skip("the running kernel makes no maps: ", err)
		}
		t.Cleanup(func() { m.Close() })
		j.kernel[i] = m
		j.here[i] = j.mapHere(&spec)
	}
	return j
}

// constants makes the map of constants anew, as it is frozen.
func (j *judge) constants(c *trial) {
	value := append(bytes.Clone(c.format), make([]byte, constantsSize)...)[:constantsSize]
	j.renew(theConstants)
	m, p, fd := j.kernel[theConstants], j.p, j.here[theConstants]
	require.NoError(j.t, m.Put(uint32(0), value))
	require.NoError(j.t, m.Freeze())
	p.must(2, attrOf(fd, 0, p.put(make([]byte, 8)), p.put(value), uint64(0)))
	p.must(22, attrOf(fd))
}

// loopbackOnly is a namespace with lo as it is when nobody has changed it.
type loopbackOnly struct{}

func (loopbackOnly) Device(ifindex uint32) (machine.Device, bool) {
	return machine.Device{Name: "lo", MTU: 65536, Header: ethernetHeader, Up: true, Type: unix.ARPHRD_LOOPBACK}, ifindex == loopback
}

func (loopbackOnly) Route(machine.RouteQuestion) (r machine.Route, err error) {
	return r, machine.ErrUnknown
}

func (loopbackOnly) Cookie() (uint64, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	defer unix.Close(fd)
	return unix.GetsockoptUint64(fd, unix.SOL_SOCKET, unix.SO_NETNS_COOKIE)
}

func (loopbackOnly) HasNetns(int32) (bool, error) { return false, machine.ErrUnknown }

func (loopbackOnly) SYNCookies() (c machine.SYNCookies, err error) { return c, machine.ErrUnknown }

func (loopbackOnly) Socket(machine.SocketQuestion) (s machine.Socket, found bool, err error) {
	return s, false, machine.ErrUnknown
}

var errUnknown = errors.New("not simulated")
var errRefused = errors.New("refused by the verifier")

// real runs the trial on the running kernel.
func (j *judge) real(c *trial) (o outcome, err error) {
	memory := j.kernel[theMemory]
	require.NoError(j.t, memory.Put(uint32(0), c.input()))
	var maps fds
	for i, m := range j.kernel {
		maps[i] = m.FD()
	}
	p, err := ebpf.NewProgram(&ebpf.ProgramSpec{Name: "main", Type: c.typ, License: "GPL", Instructions: c.program(maps)})
	if err != nil {
		return o, fmt.Errorf("%w: %w", errRefused, err)
	}
	defer p.Close()
	o.Data = make([]byte, 1<<16)
	run := &ebpf.RunOptions{Data: c.frame, DataOut: o.Data, Flags: c.flags}
	if c.context != nil {
		o.Context = make([]byte, len(c.context))
		run.Context, run.ContextOut = c.context, o.Context
	}
	o.Return, err = p.Run(run)
	var errno unix.Errno
	if errors.As(err, &errno) {
		return outcome{Errno: mprog.Errno(errno)}, nil
	}
	require.NoError(j.t, err)
	o.Data = run.DataOut
	return o, memory.Lookup(uint32(0), &o.Memory)
}

// simulated runs it here.
func (j *judge) simulated(c *trial) (o outcome) {
	p := j.p
	p.used = 0
	key := p.put(make([]byte, 8))
	value := p.put(c.input())
	p.must(2, attrOf(j.here[theMemory], 0, key, value, uint64(0)))
	var code bytes.Buffer
	require.NoError(j.t, c.program(j.here).Marshal(&code, byteOrder()))
	fd := p.must(5, attrOf(int(c.typ), code.Len()/insnSize, p.put(code.Bytes()), p.put([]byte("GPL\x00")), 0, 0, uint64(0), 0, 0, ""))
	defer p.close(fd)
	data, to := p.put(c.frame), p.put(make([]byte, 1<<16))
	given, context := uint64(0), uint64(0)
	if c.context != nil {
		given, context = p.put(c.context), p.put(make([]byte, len(c.context)))
	}
	a := attrOf(fd, 0, len(c.frame), 1<<16, data, to, 1, 0, len(c.context), len(c.context), given, context, c.flags, 0, 0)
	used := p.used
	_, at, errno := p.call(10, a)
	if errno != 0 {
		return outcome{Errno: errno}
	}
	p.used = used
	answer, err := p.at(at, 16)
	require.NoError(j.t, err)
	o.Return = native.Uint32(answer[4:])
	o.Data, _ = p.at(to, int(native.Uint32(answer[12:])))
	o.Data = bytes.Clone(o.Data)
	if c.context != nil {
		o.Context, _ = p.at(context, len(c.context))
	}
	p.must(1, attrOf(j.here[theMemory], 0, key, value, uint64(0)))
	o.Memory, _ = p.at(value, valueSize)
	return o
}

// compare runs the trial on both. It says what differs, first of what the steps
// returned.
func (j *judge) compare(c *trial) (difference string, err error) {
	if c.format != nil {
		j.constants(c)
	}
	want, err := j.real(c)
	if err != nil {
		return "", err
	}
	got := j.simulated(c)
	if got.Errno == mprog.EOPNOTSUPP && want.Errno == 0 {
		j.renew(theStorage) // of which the kernel's has now what the trial has put there
		return "", errUnknown
	}
	if want.Errno != got.Errno {
		return fmt.Sprintf("errno %s, here %s", want.Errno, got.Errno), nil
	}
	for i, s := range c.steps {
		if want.Errno == 0 && native.Uint64(want.Memory[8*i:]) != native.Uint64(got.Memory[8*i:]) {
			return fmt.Sprintf("step %d, %s: %d, here %d", i, s.name, int64(native.Uint64(want.Memory[8*i:])), int64(native.Uint64(got.Memory[8*i:]))), nil
		}
	}
	for _, part := range []struct {
		name      string
		want, got []byte
	}{
		{"return", native.AppendUint32(nil, want.Return), native.AppendUint32(nil, got.Return)},
		{"data", want.Data, got.Data}, {"context", want.Context, got.Context}, {"memory", want.Memory, got.Memory},
	} {
		if !bytes.Equal(part.want, part.got) {
			return part.name + ": " + firstDifference(part.want, part.got), nil
		}
	}
	for _, s := range c.steps {
		for _, in := range s.insns {
			if in.IsBuiltinCall() {
				j.same[int32(in.Constant)] = true
			}
		}
	}
	return "", nil
}

func firstDifference(want, got []byte) string {
	at := 0
	for at < min(len(want), len(got)) && want[at] == got[at] {
		at++
	}
	part := func(p []byte) []byte { return p[at:min(at+16, len(p))] }
	return fmt.Sprintf("%d bytes, here %d, at %d: %x, here %x", len(want), len(got), at, part(want), part(got))
}

// all runs trials, and fails the test for those that differ.
func (j *judge) all(trials int, make func() *trial) {
	refused, differ, unknown := 0, 0, 0
	for n := range trials {
		c := make()
		difference, err := j.compare(c)
		switch {
		case errors.Is(err, errRefused):
			if refused++; refused < 4 {
				j.t.Log(err, c.describe())
			}
		case errors.Is(err, errUnknown):
			unknown++
		case err != nil:
			j.t.Fatal(err)
		case difference != "":
			j.t.Errorf("trial %d: %s\nof %s\nwith %x\nin %x", n, difference, c.describe(), c.frame, c.context)
			if differ++; differ > 10 {
				j.t.FailNow()
			}
		}
	}
	j.t.Logf("%d of %d programs refused by the verifier, %d not simulated", refused, trials, unknown)
	require.Less(j.t, unknown, trials/20)
	require.Less(j.t, refused, trials/4, "programs that the verifier refuses test nothing")
}

// randomFrame is a frame of one of the kinds that there are, long enough for its
// headers or not.
func randomFrame(r *rand.Rand) []byte {
	p := make([]byte, 14+r.IntN(200))
	if r.IntN(20) == 0 {
		p = make([]byte, 14+r.IntN(2000))
	}
	for i := range p {
		p[i] = byte(r.Uint32())
	}
	p[0] &^= 1
	if r.IntN(4) == 0 {
		clear(p[:6])
	}
	at := 12
	tag := func(ethertype uint16) {
		if len(p) >= at+2 {
			p[at], p[at+1] = byte(ethertype>>8), byte(ethertype)
		}
	}
	for range r.IntN(4) - 1 {
		tag([]uint16{0x8100, 0x88a8}[r.IntN(2)])
		at += 4
	}
	kind := []uint16{0x0800, 0x86dd, 0x0806, 0x0040, uint16(r.Uint32())}[min(r.IntN(10)/2, r.IntN(5))]
	tag(kind)
	at += 2
	protocol := []byte{6, 17, 1, 58, byte(r.Uint32())}[r.IntN(5)]
	switch {
	case kind == 0x0800 && len(p) >= at+20:
		p[at], p[at+9] = 0x45, protocol
	case kind == 0x86dd && len(p) >= at+40:
		p[at] = 0x60 | p[at]&0xf
		p[at+6] = protocol
	}
	return p
}
