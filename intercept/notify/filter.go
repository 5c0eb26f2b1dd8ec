package notify

import (
	"errors"
	"fmt"
)

// Instruction is one of classic BPF: struct sock_filter
// (include/uapi/linux/filter.h).
type Instruction struct {
	Code   uint16
	JT, JF uint8
	K      uint32
}

// Rule names calls to be notified of: all with a number, or of those the ones
// whose arguments fulfil every condition. Rules with the same number are
// alternatives and must follow one another.
type Rule struct {
	Number uint32
	When   []Condition
}

// Condition compares the low 32 bits of an argument.
type Condition struct {
	Arg   int // from 0
	Test  Test
	Value uint32
}

// Test is how a condition compares.
type Test uint8

// The tests.
const (
	Equal   Test = iota // the argument is the value
	AtLeast             // the argument is the value or more, as an unsigned number
	AnyBit              // the argument has one of the value's bits set
)

// Arch says how the calls of one machine are told from those of others that run
// on it.
type Arch struct {
	Audit      uint32 // AUDIT_ARCH_* of native calls (include/uapi/linux/audit.h)
	BPF        uint32 // the number of bpf(2)
	Foreign    uint32 // AUDIT_ARCH_* of the 32-bit calls that the machine also takes
	ForeignBPF uint32 // the number of bpf(2) there
	X32        bool   // calls with x32Bit are numbers of another table, too
}

// AMD64 and ARM64 are the machines known here.
var (
	AMD64 = Arch{Audit: 0xc000003e, BPF: 321, Foreign: 0x40000003, ForeignBPF: 357, X32: true}
	ARM64 = Arch{Audit: 0xc00000b7, BPF: 280, Foreign: 0x40000028, ForeignBPF: 386}
)

const x32Bit = 0x40000000 // __X32_SYSCALL_BIT

// What a filter returns (include/uapi/linux/seccomp.h), and where struct
// seccomp_data has its fields.
const (
	retAllow  = 0x7fff0000
	retNotify = 0x7fc00000
	retNoSys  = 0x00050000 | 38 // SECCOMP_RET_ERRNO with ENOSYS

	offsetNumber = 0
	offsetArch   = 4
	offsetArgs   = 16
)

// Instructions of classic BPF: BPF_LD|BPF_W|BPF_ABS and so on.
const (
	opLoad   = 0x20
	opReturn = 0x06
	opJEq    = 0x15
	opJGe    = 0x35
	opJSet   = 0x45
)

// maxInstructions is BPF_MAXINSNS.
const maxInstructions = 4096

// Assemble makes the filter: native calls that a rule names are notified of,
// bpf(2) by another number than the native one fails with ENOSYS, every other
// call is left alone.
//
// Numbers are compared as the kernel has them. x32's own numbers and those of
// 32-bit programs reach neither bpf(2) nor a rule.
func Assemble(a Arch, rules []Rule) ([]Instruction, error) {
	p := []Instruction{
		{opLoad, 0, 0, offsetArch},
		{opJEq, 6, 0, a.Audit},
		{opJEq, 1, 0, a.Foreign},
		{opReturn, 0, 0, retNoSys}, // no such machine
		{opLoad, 0, 0, offsetNumber},
		{opJEq, 0, 1, a.ForeignBPF},
		{opReturn, 0, 0, retNoSys},
		{opReturn, 0, 0, retAllow},
		{opLoad, 0, 0, offsetNumber},
	}
	if a.X32 {
		p = append(p,
			Instruction{opJGe, 0, 3, x32Bit},
			Instruction{opJEq, 0, 1, a.BPF | x32Bit},
			Instruction{opReturn, 0, 0, retNoSys},
			Instruction{opReturn, 0, 0, retAllow},
		)
	}
	for len(rules) > 0 {
		n := 1
		for n < len(rules) && rules[n].Number == rules[0].Number {
			n++
		}
		block, err := assembleCall(rules[:n])
		if err != nil {
			return nil, err
		}
		p = append(p, block...)
		rules = rules[n:]
	}
	p = append(p, Instruction{opReturn, 0, 0, retAllow})
	if len(p) > maxInstructions {
		return nil, fmt.Errorf("filter of %d instructions: the most is %d", len(p), maxInstructions)
	}
	return p, nil
}

var errLongRule = errors.New("too many conditions for one call")

// assembleCall makes the part for the alternatives of one call, entered with the
// call's number loaded and left so if it is another call.
func assembleCall(rules []Rule) ([]Instruction, error) {
	var body []Instruction
	for _, r := range rules {
		part := make([]Instruction, 0, 2*len(r.When)+1)
		for _, c := range r.When {
			part = append(part, Instruction{opLoad, 0, 0, offsetArgs + 8*uint32(c.Arg)}, c.jump())
		}
		part = append(part, Instruction{opReturn, 0, 0, retNotify})
		for i := range part {
			if part[i].Code == opLoad || part[i].Code == opReturn {
				continue
			}
			part[i].JF = uint8(len(part) - i - 1) // to the next alternative
		}
		body = append(body, part...)
	}
	if len(rules[len(rules)-1].When) > 0 {
		body = append(body, Instruction{opReturn, 0, 0, retAllow})
	}
	if len(body) > 255 {
		return nil, fmt.Errorf("system call %d: %w", rules[0].Number, errLongRule)
	}
	return append([]Instruction{{opJEq, 0, uint8(len(body)), rules[0].Number}}, body...), nil
}

func (c Condition) jump() Instruction {
	switch c.Test {
	case AtLeast:
		return Instruction{Code: opJGe, K: c.Value}
	case AnyBit:
		return Instruction{Code: opJSet, K: c.Value}
	}
	return Instruction{Code: opJEq, K: c.Value}
}
