package machine

import (
	"errors"
	"fmt"
)

func (m *run) jump(i *insn) (done bool, err error) {
	wide := i.class() == classJump
	switch i.op() {
	case opGoTo:
		to := int(i.off)
		if !wide {
			to = int(i.imm)
		}
		m.at += 1 + to
		return false, nil
	case opMay: // which goes on as long as there is time
		m.at++
		return false, nil
	case opCall:
		if wide {
			return false, m.call(i)
		}
	case opExit:
		if wide {
			return m.exit(), nil
		}
	}
	a, b := m.r[i.dst], uint64(i.imm)
	if i.register() {
		b = m.r[i.src]
	}
	if !wide {
		a, b = uint64(int64(int32(uint32(a)))), uint64(int64(int32(uint32(b))))
	}
	taken, err := compare(i, a, b)
	if taken {
		m.at += int(i.off)
	}
	m.at++
	return false, err
}

// compare compares numbers, of which those of 32 bits have been made longer with
// their signs: that keeps their order, also without signs.
func compare(i *insn, a, b uint64) (bool, error) {
	x, y := int64(a), int64(b)
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
	return false, fmt.Errorf("jump %#x: %w", i.code, ErrUnknown)
}

// call calls a helper or a function of the program.
func (m *run) call(i *insn) error {
	switch {
	case i.register():
		return fmt.Errorf("a call of what a register says: %w", ErrUnknown)
	case i.src == callHelper:
		return m.callHelper(int32(i.imm))
	case i.src == callKernel:
		return m.callKernel(uint32(i.imm), i.off)
	case i.src != callOwn:
		return errCode(i)
	}
	return m.callOwn(m.at + 1 + int(i.imm))
}

// callOwn enters a function of the program.
func (m *run) callOwn(to int) error {
	if len(m.frames)+1 >= maxFrames {
		return errFrames
	}
	f := frame{at: m.at + 1}
	copy(f.saved[:], m.r[6:])
	m.frames = append(m.frames, f)
	m.r[10] = m.stack()
	m.at = to
	return nil
}

func (m *run) callHelper(number int32) error {
	if number == tailCall {
		return m.tailCall()
	}
	if number < 0 || int(number) >= len(helpers) || helpers[number] == nil {
		return fmt.Errorf("%s: %w", helperText(number), ErrUnknown)
	}
	v, err := helpers[number](m)
	if err != nil {
		return fmt.Errorf("%s: %w", helperText(number), err)
	}
	m.r[0] = v
	m.at++
	return nil
}

func helperText(number int32) string {
	if name := HelperName(number); name != "" {
		return "helper bpf_" + name
	}
	return fmt.Sprintf("helper %d", number)
}

// exit returns to the caller, and reports whether that is the loop's.
func (m *run) exit() (done bool) {
	if len(m.frames) == m.base {
		return true
	}
	m.leave()
	return false
}

func (m *run) leave() {
	f := m.frames[len(m.frames)-1]
	m.frames = m.frames[:len(m.frames)-1]
	copy(m.r[6:], f.saved[:])
	m.at = f.at
}

const tailCall = 12 // the one helper that does not return

// tailCall goes on with another program, or after the call if there is none.
func (m *run) tailCall() error {
	of, err := m.mapAt(m.r[2])
	if err != nil {
		return err
	}
	to := of.Tail(uint32(m.r[3]))
	if to == nil || m.tails >= maxTailCalls {
		m.r[0] = failed(noEntry) // which nobody looks at
		m.at++
		return nil
	}
	if m.base > 0 {
		return errors.New("a tail call of a callback")
	}
	m.tails++
	m.enter(to)
	return nil
}

// Functions of the program are known by numbers that are no addresses.
const functionSpace = 1 << 61

func functionAddress(at int) uint64 { return functionSpace | uint64(uint32(at)) }

// callback calls a function of the program, by its address, from a helper.
func (m *run) callback(address uint64, arguments ...uint64) (uint64, error) {
	if address&^uint64(1<<32-1) != functionSpace {
		return 0, errors.New("no such function")
	}
	at, base, left := m.at, m.base, m.left
	if err := m.callOwn(int(uint32(address))); err != nil {
		return 0, err
	}
	copy(m.r[1:], arguments)
	m.base, m.left = len(m.frames), min(maxSteps, m.callbacks)
	before := m.left
	if err := m.loop(); err != nil {
		return 0, err
	}
	m.callbacks -= before - m.left
	m.leave()
	m.at, m.base, m.left = at, base, left
	return m.r[0], nil
}
