package machine

import "fmt"

func (m *run) jump(i insn) (next int, done bool, err error) {
	wide := i.class() == classJump
	switch {
	case i.op() == opGoTo && wide:
		return m.at + 1 + int(i.off()), false, nil
	case i.op() == opGoTo:
		return m.at + 1 + int(i.imm()), false, nil
	case i.op() == opCall && wide:
		return m.call(i)
	case i.op() == opExit && wide:
		return m.exit()
	}
	a, b := m.r[i.dst()], uint64(int64(i.imm()))
	if i.register() {
		b = m.r[i.src()]
	}
	if !wide {
		a, b = uint64(uint32(a)), uint64(uint32(b))
	}
	taken, err := compare(i, a, b, wide)
	if taken {
		return m.at + 1 + int(i.off()), false, err
	}
	return m.at + 1, false, err
}

func compare(i insn, a, b uint64, wide bool) (bool, error) {
	x, y := int64(a), int64(b)
	if !wide {
		x, y = int64(int32(uint32(a))), int64(int32(uint32(b)))
	}
	switch i.op() {
	case 0x10: // JEQ
		return a == b, nil
	case 0x20: // JGT
		return a > b, nil
	case 0x30: // JGE
		return a >= b, nil
	case 0x40: // JSET
		return a&b != 0, nil
	case 0x50: // JNE
		return a != b, nil
	case 0x60: // JSGT
		return x > y, nil
	case 0x70: // JSGE
		return x >= y, nil
	case 0xa0: // JLT
		return a < b, nil
	case 0xb0: // JLE
		return a <= b, nil
	case 0xc0: // JSLT
		return x < y, nil
	case 0xd0: // JSLE
		return x <= y, nil
	}
	return false, fmt.Errorf("jump %#x: %w", i.code(), ErrUnknown)
}

// call calls a helper or a function of the program.
func (m *run) call(i insn) (next int, done bool, err error) {
	switch {
	case i.register():
		return 0, false, fmt.Errorf("a call of what a register says: %w", ErrUnknown)
	case i.src() == callHelper:
		return m.callHelper(i.imm())
	case i.src() != callOwn:
		return 0, false, fmt.Errorf("function %d of the kernel: %w", i.imm(), ErrUnknown)
	}
	if len(m.frames)+1 >= maxFrames {
		return 0, false, errFrames
	}
	f := frame{at: m.at + 1}
	copy(f.saved[:], m.r[6:])
	m.frames = append(m.frames, f)
	m.r[10] = m.add(make([]byte, stackSize)) + stackSize
	return m.at + 1 + int(i.imm()), false, nil
}

func (m *run) callHelper(number int32) (next int, done bool, err error) {
	if number == tailCall {
		return m.tailCall()
	}
	h := helpers[number]
	if h == nil {
		return 0, false, fmt.Errorf("%s: %w", helperText(number), ErrUnknown)
	}
	m.r[0], err = h(m)
	return m.at + 1, false, err
}

func helperText(number int32) string {
	if name := HelperName(number); name != "" {
		return "helper bpf_" + name
	}
	return fmt.Sprintf("helper %d", number)
}

func (m *run) exit() (next int, done bool, err error) {
	if len(m.frames) == 0 {
		return 0, true, nil
	}
	f := m.frames[len(m.frames)-1]
	m.frames = m.frames[:len(m.frames)-1]
	copy(m.r[6:], f.saved[:])
	return f.at, false, nil
}

// tailCall goes on with another program, or after the call if there is none.
func (m *run) tailCall() (next int, done bool, err error) {
	of, err := m.mapAt(m.r[2])
	if err != nil {
		return 0, false, err
	}
	to := of.Tail(uint32(m.r[3]))
	if to == nil || m.tails >= maxTailCalls {
		m.r[0] = failed(1) // EPERM, which nobody looks at
		return m.at + 1, false, nil
	}
	m.tails++
	m.enter(to)
	return 0, false, nil
}
