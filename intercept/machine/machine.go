package machine

import (
	"encoding/binary"
	"errors"
	"fmt"
)

var native = binary.NativeEndian

// Program is a program that can be run.
type Program struct {
	insns []byte
	kind  Kind
}

// Kind is what a program gets: a context for one kind of packet handlers.
type Kind uint8

// The kinds.
const (
	SKB Kind = iota // struct __sk_buff: SCHED_CLS and others
	XDP             // struct xdp_md
)

const insnSize = 8 // sizeof(struct bpf_insn)

// New looks at a program's instructions, in which maps are named by ids in place
// of fds.
func New(insns []byte, kind Kind) *Program {
	return &Program{insns: insns, kind: kind}
}

// World is what programs reach besides their packet.
type World interface {
	Map(id uint32) Map // nil if there is none
	Now() uint64       // nanoseconds
	Random() uint32
}

// Map is a map, as programs see it. Values are memory that stays the map's.
type Map interface {
	KeySize() uint32
	ValueSize() uint32
	Lookup(key []byte) []byte
	Update(key, value []byte, flags uint64) (errno int)
	Delete(key []byte) (errno int)
	// Inner returns the id of the map that an element of a map of maps is.
	Inner(key []byte) (id uint32, ok bool)
	// Tail returns the program that an element of a map of programs is, nil if
	// none can be run by its index.
	Tail(index uint32) *Program
	// Push, Pop and Peek are of queues and stacks.
	Push(value []byte, flags uint64) (errno int)
	Pop(remove bool) []byte
}

// Limits.
const (
	maxSteps     = 1_000_000 // of one run
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
	m := &run{world: w, packet: packet}
	v, err := m.run(p)
	if err != nil {
		return 0, fmt.Errorf("instruction %d: %w", m.at, err)
	}
	return int32(uint32(v)), nil
}

// run is a run of a program.
type run struct {
	memory
	world  World
	packet *Packet

	program *Program
	r       [11]uint64
	at      int // the instruction in hand
	frames  []frame
	tails   int
}

// frame is where a call of the program's own functions returns to.
type frame struct {
	at    int
	saved [5]uint64 // r6 to r10
}

func (m *run) run(p *Program) (uint64, error) {
	m.regions = m.few[:0]
	m.enter(p)
	for range maxSteps {
		if m.at < 0 || (m.at+1)*insnSize > len(m.program.insns) {
			return 0, errEnd
		}
		i := insn(m.program.insns[m.at*insnSize:])
		next, done, err := m.step(i)
		if err != nil {
			return 0, err
		}
		if done {
			return m.r[0], nil
		}
		m.at = next
	}
	return 0, errSteps
}

// enter begins a program, with its context in r1.
func (m *run) enter(p *Program) {
	m.program, m.at, m.frames = p, 0, m.frames[:0]
	m.r[1] = m.context(p.kind)
	m.r[10] = m.add(make([]byte, stackSize)) + stackSize
}

// step carries out an instruction and returns which is next.
func (m *run) step(i insn) (next int, done bool, err error) {
	next = m.at + 1
	dst := i.dst()
	if dst > 10 || i.src() > 10 {
		return 0, false, errRegister
	}
	switch i.class() {
	case classALU, classALU64:
		return next, false, m.alu(i)
	case classJump, classJump32:
		return m.jump(i)
	case classLoad:
		if i.code() != loadWide {
			if mode := i.mode(); mode != modeAbsolute && mode != modeIndirect {
				return 0, false, errCode(i)
			}
			return m.loadPacket(i)
		}
		if (m.at+2)*insnSize > len(m.program.insns) {
			return 0, false, errEnd
		}
		second := insn(m.program.insns[next*insnSize:])
		m.r[dst], err = m.wide(i, second)
		return next + 1, false, err
	case classLoadX:
		m.r[dst], err = m.loadX(i)
		return next, false, err
	case classStore:
		if i.mode() != modeMemory {
			return 0, false, errCode(i)
		}
		return next, false, m.store(m.r[dst]+i.offset(), i.size(), uint64(int64(i.imm())))
	}
	switch i.mode() {
	case modeAtomic:
		return next, false, m.atomic(i)
	case modeMemory:
		return next, false, m.store(m.r[dst]+i.offset(), i.size(), m.r[i.src()])
	}
	return 0, false, errCode(i)
}

func errCode(i insn) error { return fmt.Errorf("code %#x: %w", i.code(), ErrUnknown) }

// wide is the value of an instruction that is two long: a number, a map, or a
// place in a map's only value.
func (m *run) wide(i, second insn) (uint64, error) {
	switch i.src() {
	case pseudoMapFD, pseudoMapIdx:
		return mapAddress(uint32(i.imm())), nil
	case pseudoMapValue, pseudoMapIdxValue:
		var value []byte
		if of := m.world.Map(uint32(i.imm())); of != nil {
			value = of.Lookup(make([]byte, of.KeySize()))
		}
		if value == nil {
			return 0, errors.New("no such map")
		}
		return m.share(value) + uint64(uint32(second.imm())), nil
	case 0:
		return uint64(uint32(i.imm())) | uint64(uint32(second.imm()))<<32, nil
	}
	return 0, fmt.Errorf("the address of a kernel's variable or of a function: %w", ErrUnknown)
}

func (m *run) loadX(i insn) (uint64, error) {
	if mode := i.mode(); mode != modeMemory && mode != modeSigned {
		return 0, errCode(i)
	}
	v, err := m.load(m.r[i.src()]+i.offset(), i.size())
	if err == nil && i.mode() == modeSigned {
		v = signExtend(v, 8*i.size())
	}
	return v, err
}
