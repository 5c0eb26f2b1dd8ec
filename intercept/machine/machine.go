package machine

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
)

var native = binary.NativeEndian

// Program is a program that can be run.
type Program struct {
	insns []insn
	kind  Kind
}

// Kind is what a program gets: a context for one kind of packet handlers.
type Kind uint8

// The kinds.
const (
	SKB Kind = iota // struct __sk_buff: SCHED_CLS and others
	XDP             // struct xdp_md
)

// New decodes a program's instructions, in which maps are named by ids in place
// of fds.
func New(insns []byte, kind Kind) *Program {
	return &Program{insns: decode(insns), kind: kind}
}

// Limits.
const (
	maxSteps     = 1_000_000 // of one run, or one call of a callback
	maxCallbacks = 1 << 26   // steps of all of them
	maxFrames    = 8         // MAX_CALL_FRAMES
	maxTailCalls = 33        // MAX_TAIL_CALL_CNT
	stackSize    = 512       // MAX_BPF_STACK
)

// Errors that end a run.
var (
	ErrUnknown = errors.New("not simulated")
	errSteps   = fmt.Errorf("did not end within %d instructions", maxSteps)
	errEnd     = errors.New("left its instructions")
	errFrames  = fmt.Errorf("calls deeper than %d", maxFrames)
)

// Run runs the program on a packet and returns what it returns. An error says
// what of the program is not simulated ([ErrUnknown]) or what no verifier would
// have let pass: nothing is known then of what becomes of the packet. Runs that
// share a world are one after the other.
func (p *Program) Run(packet *Packet, w World) (int32, error) {
	m := runs.Get().(*run)
	defer m.free()
	m.world, m.packet = w, packet
	m.regions, m.left, m.callbacks = m.few[:0], maxSteps, maxCallbacks
	m.enter(p)
	if err := m.loop(); err != nil {
		return 0, fmt.Errorf("instruction %d: %w", m.at, err)
	}
	return int32(uint32(m.r[0])), nil
}

// run is a run of a program.
type run struct {
	memory
	world  World
	packet *Packet

	program   *Program
	r         [11]uint64
	at        int // the instruction in hand
	frames    []frame
	base      int // how many frames there are when the loop in hand ends
	tails     int
	left      int // steps
	callbacks int // steps that callbacks may still take

	records []reserved // of ring buffers
	dynptrs []dynptr

	stacks    [maxFrames][stackSize]byte
	addresses [maxFrames]uint64 // of stacks, 0: none yet
}

// frame is where a call of the program's own functions returns to.
type frame struct {
	at    int
	saved [5]uint64 // r6 to r10
}

var runs = sync.Pool{New: func() any { return new(run) }}

// free lets go of all that belongs to others.
func (m *run) free() {
	clear(m.regions)
	clear(m.shared)
	clear(m.addresses[:])
	m.objects, m.kernelCtx, m.devices, m.sock, m.sockets, m.tasks, m.cgroups = nil, 0, nil, 0, nil, nil, nil
	m.world, m.packet, m.program, m.regions = nil, nil, nil, nil
	m.ctx, m.data, m.tails, m.base, m.frames = 0, 0, 0, 0, m.frames[:0]
	m.r = [11]uint64{}
	m.records, m.dynptrs = nil, nil
	runs.Put(m)
}

// enter begins a program, with its context in r1.
func (m *run) enter(p *Program) {
	m.program, m.at, m.frames = p, 0, m.frames[:0]
	m.r[1] = m.context(p.kind)
	m.r[10] = m.stack()
}

// stack returns the end of the frame's empty stack.
func (m *run) stack() uint64 {
	depth := len(m.frames)
	clear(m.stacks[depth][:])
	if m.addresses[depth] == 0 {
		m.addresses[depth] = m.add(m.stacks[depth][:])
	}
	return m.addresses[depth] + stackSize
}

// loop carries out instructions until the frame that is on top returns.
func (m *run) loop() error {
	for m.left > 0 {
		m.left--
		if uint(m.at) >= uint(len(m.program.insns)) {
			return errEnd
		}
		done, err := m.step(&m.program.insns[m.at])
		if done || err != nil {
			return err
		}
	}
	return errSteps
}

// step carries out an instruction, and goes on to the next.
func (m *run) step(i *insn) (done bool, err error) {
	if i.dst > 10 || i.src > 10 {
		return false, errRegister
	}
	switch i.class() {
	case classALU64, classALU:
		err = m.alu(i)
	case classJump, classJump32:
		return m.jump(i)
	case classLoadX:
		err = m.loadX(i)
	case classStoreX:
		switch i.mode() {
		case modeMemory:
			err = m.store(m.r[i.dst]+i.offset(), i.size(), m.r[i.src])
		case modeAtomic:
			err = m.atomic(i)
		default:
			err = errCode(i)
		}
	case classStore:
		if i.mode() != modeMemory {
			return false, errCode(i)
		}
		err = m.store(m.r[i.dst]+i.offset(), i.size(), uint64(i.imm))
	case classLoad:
		switch mode := i.mode(); {
		case i.code == loadWide:
			err = m.wide(i)
			m.at++
		case mode == modeAbsolute, mode == modeIndirect:
			return m.loadPacket(i)
		default:
			err = errCode(i)
		}
	}
	if err == nil {
		m.at++
	}
	return false, err
}

// wide loads what an instruction has that is two long: a number, a map, a
// function, or a place in a map's only value.
func (m *run) wide(i *insn) error {
	low, high := uint32(i.imm), uint32(uint64(i.imm)>>32)
	switch i.src {
	case 0:
		m.r[i.dst] = uint64(i.imm)
	case pseudoMapFD, pseudoMapIdx:
		m.r[i.dst] = mapAddress(low)
	case pseudoFunc:
		m.r[i.dst] = functionAddress(m.at + 1 + int(int32(low)))
	case pseudoMapValue, pseudoMapIdxValue:
		var value []byte
		if of := m.world.Map(low); of != nil {
			value = of.Lookup(make([]byte, of.KeySize()))
		}
		if value == nil {
			return errNoMap
		}
		m.r[i.dst] = m.share(value) + uint64(high)
	default:
		return fmt.Errorf("the address of a kernel's variable: %w", ErrUnknown)
	}
	return nil
}

func (m *run) loadX(i *insn) error {
	mode := i.mode()
	if mode != modeMemory && mode != modeSigned {
		return errCode(i)
	}
	v, err := m.load(m.r[i.src]+i.offset(), i.size())
	if mode == modeSigned {
		v = signExtend(v, 8*i.size())
	}
	m.r[i.dst] = v
	return err
}
