package machine

import (
	"fmt"
	"math/bits"
)

// Operations on numbers.
const (
	aluAdd  = 0x00
	aluSub  = 0x10
	aluMul  = 0x20
	aluDiv  = 0x30
	aluOr   = 0x40
	aluAnd  = 0x50
	aluLsh  = 0x60
	aluRsh  = 0x70
	aluNeg  = 0x80
	aluMod  = 0x90
	aluXor  = 0xa0
	aluMov  = 0xb0
	aluArsh = 0xc0
	aluEnd  = 0xd0 // order of bytes
)

func (m *run) alu(i *insn) (err error) {
	m.r[i.dst], err = evaluate(i, m.r[i.dst], m.r[i.src])
	return err
}

// evaluate is what the instruction makes of its registers.
func evaluate(i *insn, a, b uint64) (uint64, error) {
	if i.op() == aluEnd {
		err := reorder(&a, i)
		return a, err
	}
	if !i.register() {
		b = uint64(i.imm)
	}
	if i.class() == classALU64 {
		return calculate(i, a, b, 64)
	}
	v, err := calculate(i, uint64(uint32(a)), uint64(uint32(b)), 32)
	return uint64(uint32(v)), err
}

func calculate(i *insn, a, b uint64, width int) (uint64, error) {
	switch i.op() {
	case aluAdd:
		return a + b, nil
	case aluSub:
		return a - b, nil
	case aluMul:
		return a * b, nil
	case aluOr:
		return a | b, nil
	case aluAnd:
		return a & b, nil
	case aluXor:
		return a ^ b, nil
	case aluNeg:
		return -a, nil
	case aluLsh:
		return a << (b & uint64(width-1)), nil
	case aluRsh:
		return a >> (b & uint64(width-1)), nil
	case aluArsh:
		return uint64(int64(signExtend(a, width)) >> (b & uint64(width-1))), nil
	case aluMov:
		switch i.off {
		case 0:
			return b, nil
		case 8, 16, 32:
			return signExtend(b, int(i.off)), nil
		}
	case aluDiv, aluMod:
		return divide(i, a, b, width), nil
	}
	return 0, fmt.Errorf("operation %#x: %w", i.code, ErrUnknown)
}

// divide divides as BPF does: by 0 is 0, and the remainder of that is the number.
func divide(i *insn, a, b uint64, width int) uint64 {
	signed, remainder := i.off == 1, i.op() == aluMod
	switch {
	case b == 0 && remainder:
		return a
	case b == 0:
		return 0
	case !signed && remainder:
		return a % b
	case !signed:
		return a / b
	}
	x, y := int64(signExtend(a, width)), int64(signExtend(b, width))
	switch {
	case y == -1 && remainder: // the least number's quotient is none
		return 0
	case y == -1:
		return uint64(-x)
	case remainder:
		return uint64(x % y)
	}
	return uint64(x / y)
}

// reorder turns a number into another order of bytes, and cuts it.
func reorder(v *uint64, i *insn) error {
	// To little or big endian, or to the other one, whichever that is.
	swap := i.class() == classALU64 || i.register() == (native.Uint16([]byte{0, 1}) == 256)
	switch i.imm {
	case 16:
		*v = uint64(uint16(*v))
		if swap {
			*v = uint64(bits.ReverseBytes16(uint16(*v)))
		}
	case 32:
		*v = uint64(uint32(*v))
		if swap {
			*v = uint64(bits.ReverseBytes32(uint32(*v)))
		}
	case 64:
		if swap {
			*v = bits.ReverseBytes64(*v)
		}
	default:
		return fmt.Errorf("order of %d bits: %w", i.imm, ErrUnknown)
	}
	return nil
}

func signExtend(v uint64, width int) uint64 {
	unused := 64 - width
	return uint64(int64(v<<unused) >> unused)
}
