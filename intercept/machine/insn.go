package machine

import "errors"

// insn is a struct bpf_insn.
type insn []byte

func (i insn) code() byte     { return i[0] }
func (i insn) class() byte    { return i[0] & 7 }
func (i insn) mode() byte     { return i[0] & 0xe0 }
func (i insn) op() byte       { return i[0] & 0xf0 }
func (i insn) register() bool { return i[0]&8 != 0 } // the second operand is a register
func (i insn) dst() byte      { return i[1] & 0xf }
func (i insn) src() byte      { return i[1] >> 4 }
func (i insn) off() int16     { return int16(native.Uint16(i[2:])) }
func (i insn) imm() int32     { return int32(native.Uint32(i[4:])) }

func (i insn) offset() uint64 { return uint64(int64(i.off())) }

// size is how many bytes are loaded or stored.
func (i insn) size() int { return [4]int{4, 2, 1, 8}[i[0]>>3&3] }

// Parts of instructions' codes (include/uapi/linux/bpf.h,
// include/uapi/linux/bpf_common.h).
const (
	classLoad   = 0
	classLoadX  = 1
	classStore  = 2
	classStoreX = 3
	classALU    = 4
	classJump   = 5
	classJump32 = 6
	classALU64  = 7

	modeAbsolute = 0x20
	modeIndirect = 0x40
	modeMemory   = 0x60
	modeSigned   = 0x80
	modeAtomic   = 0xc0

	loadWide = 0x18 // BPF_LD|BPF_IMM|BPF_DW

	opGoTo = 0x00
	opCall = 0x80
	opExit = 0x90

	// The source register of loadWide.
	pseudoMapFD       = 1
	pseudoMapValue    = 2
	pseudoMapIdx      = 5
	pseudoMapIdxValue = 6

	// The source register of a call.
	callHelper = 0
	callOwn    = 1 // BPF_PSEUDO_CALL
)

var errRegister = errors.New("no such register")
