package notify

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// run interprets a filter as the kernel does.
func run(t *testing.T, p []Instruction, number, arch uint32, args ...uint32) uint32 {
	t.Helper()
	var a uint32
	for pc := 0; pc < len(p); pc++ {
		in := p[pc]
		taken := false
		switch in.Code {
		case opLoad:
			switch {
			case in.K == offsetNumber:
				a = number
			case in.K == offsetArch:
				a = arch
			case int(in.K-offsetArgs)/8 < len(args):
				a = args[(in.K-offsetArgs)/8]
			default:
				a = 0
			}
			continue
		case opReturn:
			return in.K
		case opJEq:
			taken = a == in.K
		case opJGe:
			taken = a >= in.K
		case opJSet:
			taken = a&in.K != 0
		default:
			t.Fatalf("instruction %d: unknown code %#x", pc, in.Code)
		}
		if taken {
			pc += int(in.JT)
		} else {
			pc += int(in.JF)
		}
	}
	t.Fatal("filter runs off its end")
	return 0
}

func TestFilter(t *testing.T) {
	rules := []Rule{
		{Number: 321},
		{Number: 41, When: []Condition{{0, Equal, 16}, {2, Equal, 0}}},
		{Number: 54, When: []Condition{{1, Equal, 270}, {0, AtLeast, 900}}},
		{Number: 54, When: []Condition{{1, Equal, 1}, {2, Equal, 50}}},
		{Number: 272, When: []Condition{{0, AnyBit, 0x40000000}}},
		{Number: 280},
	}
	const i386, arm, unknown = 0x40000003, 0x40000028, 0xc0000015
	for _, tc := range []struct {
		name   string
		arch   Arch
		audit  uint32
		number uint32
		args   []uint32
		want   uint32
	}{
		{"bpf", AMD64, AMD64.Audit, 321, nil, retNotify},
		{"bpf of i386", AMD64, i386, 357, nil, retNoSys},
		{"bpf's number in i386", AMD64, i386, 321, nil, retAllow},
		{"bpf of x32", AMD64, AMD64.Audit, 321 | x32Bit, nil, retNoSys},
		{"other call of x32", AMD64, AMD64.Audit, 41 | x32Bit, []uint32{16, 0, 0}, retAllow},
		{"highest number", AMD64, AMD64.Audit, 0xffffffff, nil, retAllow},
		{"unknown machine", AMD64, unknown, 321, nil, retNoSys},
		{"bpf of arm64", ARM64, ARM64.Audit, 280, nil, retNotify},
		{"bpf of arm", ARM64, arm, 386, nil, retNoSys},
		{"other call of arm", ARM64, arm, 280, nil, retAllow},
		{"call without rule", AMD64, AMD64.Audit, 1, nil, retAllow},
		{"all conditions hold", AMD64, AMD64.Audit, 41, []uint32{16, 3, 0}, retNotify},
		{"first fails", AMD64, AMD64.Audit, 41, []uint32{2, 3, 0}, retAllow},
		{"last fails", AMD64, AMD64.Audit, 41, []uint32{16, 3, 9}, retAllow},
		{"first alternative", AMD64, AMD64.Audit, 54, []uint32{900, 270, 1}, retNotify},
		{"below the least", AMD64, AMD64.Audit, 54, []uint32{899, 270, 1}, retAllow},
		{"second alternative", AMD64, AMD64.Audit, 54, []uint32{3, 1, 50}, retNotify},
		{"no alternative", AMD64, AMD64.Audit, 54, []uint32{3, 1, 51}, retAllow},
		{"a bit", AMD64, AMD64.Audit, 272, []uint32{0x40000001}, retNotify},
		{"another bit", AMD64, AMD64.Audit, 272, []uint32{0x20000}, retAllow},
		{"last rule", AMD64, AMD64.Audit, 280, nil, retNotify},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p, err := Assemble(tc.arch, rules)
			require.NoError(t, err)
			require.Equal(t, tc.want, run(t, p, tc.number, tc.audit, tc.args...))
		})
	}
}

func TestFilterTooLong(t *testing.T) {
	_, err := Assemble(AMD64, []Rule{{Number: 1, When: make([]Condition, 200)}})
	require.ErrorIs(t, err, errLongRule)

	many := make([]Rule, 3000)
	for i := range many {
		many[i].Number = uint32(i)
	}
	_, err = Assemble(AMD64, many)
	require.ErrorContains(t, err, "the most is 4096")
}
