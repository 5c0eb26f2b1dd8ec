package machine

import (
	"errors"
	"fmt"
)

// insn is a struct bpf_insn, or the two that a load of 64 bits is.
type insn struct {
	code     uint8
	dst, src uint8
	off      int32
	imm      int64 // with its sign; of a load of 64 bits all of them
}

func (i *insn) class() uint8   { return i.code & 7 }
func (i *insn) mode() uint8    { return i.code & 0xe0 }
func (i *insn) op() uint8      { return i.code & 0xf0 }
func (i *insn) register() bool { return i.code&8 != 0 } // the second operand is a register
func (i *insn) offset() uint64 { return uint64(int64(i.off)) }

// size is how many bytes are loaded or stored.
func (i *insn) size() int { return [4]int{4, 2, 1, 8}[i.code>>3&3] }

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
	opMay  = 0xe0 // BPF_JCOND

	// The source register of loadWide.
	pseudoMapFD       = 1
	pseudoMapValue    = 2
	pseudoFunc        = 4
	pseudoMapIdx      = 5
	pseudoMapIdxValue = 6

	// The source register of a call.
	callHelper = 0
	callOwn    = 1 // BPF_PSEUDO_CALL
	callKernel = 2 // BPF_PSEUDO_KFUNC_CALL
)

var errRegister = errors.New("no such register")

const insnSize = 8 // sizeof(struct bpf_insn)

// decode reads instructions. The second half of a load of 64 bits stays, as one
// that cannot be carried out, so that offsets of jumps hold.
func decode(code []byte) []insn {
	insns := make([]insn, len(code)/insnSize)
	for at := range insns {
		p := code[at*insnSize:]
		insns[at] = insn{
			code: p[0], dst: p[1] & 0xf, src: p[1] >> 4,
			off: int32(int16(native.Uint16(p[2:]))), imm: int64(int32(native.Uint32(p[4:]))),
		}
		if at > 0 && insns[at-1].code == loadWide && insns[at].code == 0 {
			first := &insns[at-1]
			first.imm = int64(uint64(uint32(first.imm)) | uint64(uint32(insns[at].imm))<<32)
		}
	}
	return insns
}

func errCode(i *insn) error { return fmt.Errorf("code %#x: %w", i.code, ErrUnknown) }
