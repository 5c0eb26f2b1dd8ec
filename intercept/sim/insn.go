package sim

import "github.com/nkconform/nkconform/mprog"

// insn is a struct bpf_insn.
type insn []byte

func (i insn) code() byte  { return i[0] }
func (i insn) dst() byte   { return i[1] & 0xf }
func (i insn) src() byte   { return i[1] >> 4 }
func (i insn) off() int16  { return int16(native.Uint16(i[2:])) }
func (i insn) imm() int32  { return int32(native.Uint32(i[4:])) }
func (i insn) class() byte { return i[0] & 7 }

// Parts of instructions' codes (include/uapi/linux/bpf.h,
// include/uapi/linux/bpf_common.h).
const (
	loadWide = 0x18 // BPF_LD|BPF_IMM|BPF_DW, which is two instructions long
	exit     = 0x95 // BPF_JMP|BPF_EXIT
	goTo     = 0x05 // BPF_JMP|BPF_JA
	goTo32   = 0x06 // BPF_JMP32|BPF_JA
	callCode = 0x85 // BPF_JMP|BPF_CALL

	classJump   = 5
	classJump32 = 6

	// The source register of loadWide, which says what the number is.
	pseudoMapFD       = 1
	pseudoMapValue    = 2
	pseudoMapIdx      = 5
	pseudoMapIdxValue = 6
)

// checkInsns checks that the program is well-formed, and looks up its maps
// (resolve_pseudo_ldimm64, check_subprogs).
func (k *call) checkInsns(p *program) error {
	count := len(p.insns) / insnSize
	for i := 0; i < count; i++ {
		in := insn(p.insns[i*insnSize:])
		if in.dst() > 10 || in.src() > 10 && in.code() != loadWide {
			return refuse("load/register", mprog.EINVAL, "instruction %d: register is invalid", i)
		}
		switch class := in.class(); {
		case in.code() == loadWide:
			if i+1 >= count || insn(p.insns[(i+1)*insnSize:]).code() != 0 {
				return refuse("load/wide", mprog.EINVAL, "instruction %d: second half is missing", i)
			}
			if err := k.resolveMap(p, in, insn(p.insns[(i+1)*insnSize:])); err != nil {
				return err
			}
			i++
		case (class == classJump || class == classJump32) && in.code() != exit && in.code() != callCode:
			to := i + 1 + int(in.off())
			if in.code() == goTo32 {
				to = i + 1 + int(in.imm())
			}
			if to < 0 || to >= count {
				return refuse("load/jump", mprog.EINVAL, "instruction %d: jump out of range to %d", i, to)
			}
		}
	}
	last := insn(p.insns[(count-1)*insnSize:])
	if c := last.code(); c != exit && c != goTo && c != goTo32 {
		return refuse("load/end", mprog.EINVAL, "last instruction is neither exit nor jump")
	}
	return nil
}

// resolveMap looks up the map that a wide load names by an fd, and puts its id
// in the fd's place, as programs are shown to user space.
func (k *call) resolveMap(p *program, in, second insn) error {
	fd := uint32(in.imm())
	switch in.src() {
	case pseudoMapFD, pseudoMapValue:
	case pseudoMapIdx, pseudoMapIdxValue:
		var entry [4]byte
		if err := k.read(k.u64(loadFDArray)+4*uint64(fd), entry[:]); err != nil {
			return err
		}
		fd = native.Uint32(entry[:])
	default:
		return nil
	}
	m, err := k.mapByFD("fd of a map in an instruction", fd)
	if err != nil {
		return err
	}
	if (in.src() == pseudoMapValue || in.src() == pseudoMapIdxValue) && uint32(second.imm()) >= m.valueSize {
		return refuse("load/map-value", mprog.EINVAL, "offset %d is outside of the map's value", uint32(second.imm()))
	}
	p.use(m)
	native.PutUint32(in[4:], m.id)
	return nil
}

// verdictOf returns what a program returns that does nothing but return a number.
// Of any other it is false, and the number 0, as it is not run.
func verdictOf(insns []byte) (verdict int32, constant bool) {
	const moveImm64, moveImm32 = 0xb7, 0xb4
	if len(insns) != 2*insnSize || insn(insns[insnSize:]).code() != exit {
		return 0, false
	}
	if in := insn(insns); (in.code() == moveImm64 || in.code() == moveImm32) && in.dst() == 0 {
		return in.imm(), true
	}
	return 0, false
}
