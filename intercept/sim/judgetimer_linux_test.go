package sim

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	types "github.com/cilium/ebpf/btf"
	"github.com/stretchr/testify/require"
)

// onTimer does something with a timer of a value.
func onTimer(r *rand.Rand, kind int) step {
	labels++
	none := fmt.Sprint("none", labels)
	look := callStep(asm.FnMapLookupElem, mapRef(theTimers), onStack(-8))
	look.insns = append(asm.Instructions{asm.StoreImm(asm.RFP, -8, int64(r.IntN(2)), asm.Word)}, look.insns...)
	const hour = 3600 * 1e9
	then := []step{
		callStep(asm.FnTimerInit, 0, mapRef(theTimers), oneOf(r, 0, 1, 1, 7, 2, 16, 17)),
		callStep(asm.FnTimerSetCallback, 0, callback("tick")),
		callStep(asm.FnTimerStart, 0, int64(hour), oneOf(r, 0, 0, 0, 2, 4, 8)),
		callStep(asm.FnTimerCancel, 0),
	}[kind]
	s := step{name: then.name}
	s.insns = append(append(s.insns, look.insns...), asm.JEq.Imm(asm.R0, 0, none), asm.Mov.Reg(asm.R8, asm.R0))
	s.insns = append(s.insns, then.insns[:len(then.insns)-1]...)
	s.insns = append(s.insns, asm.Mov.Reg(asm.R1, asm.R8), then.insns[len(then.insns)-1], asm.Mov.Reg(asm.R1, asm.R0).WithSymbol(none))
	return s
}

// tick is a callback of timers that writes to the rest of the value.
func tick() asm.Instructions {
	return asm.Instructions{
		types.WithFuncMetadata(asm.Mov.Imm(asm.R0, 7), functionOf("tick")).WithSymbol("tick"),
		asm.StoreMem(asm.R3, 16, asm.R0, asm.DWord), asm.Mov.Imm(asm.R0, 0), asm.Return(),
	}
}

// TestJudgeTimers has programs make, start and cancel timers that never fire.
func TestJudgeTimers(t *testing.T) {
	j := newJudge(t)
	r := rand.New(rand.NewPCG(1, 0))
	for n := range 400 {
		c := &trial{typ: ebpf.SchedCLS, frame: make([]byte, 64), tail: tick()}
		for range 1 + r.IntN(8) {
			c.steps = append(c.steps, onTimer(r, r.IntN(4)))
		}
		c.steps = append(c.steps, onTimer(r, 1)) // as all functions have to be used
		difference, err := j.compare(c)
		require.NoError(t, err)
		if strings.Contains(difference, "Init") && strings.Contains(difference, ": -12, here 0") {
			t.Skipf("in trial %d the running kernel has no memory for a timer, for which it does not wait: ENOMEM", n)
		}
		require.Empty(t, difference, "trial %d\n%s", n, c.describe())
	}
}

// wrong are arguments that are refused.
var wrong = regexp.MustCompile(`(Init.* (2|16|17)|Start.* [48])\]`)

// A timer's callback gets the value that it is in.
func TestTimerFires(t *testing.T) {
	j := newJudge(t)
	var fire []func()
	j.p.sim.after = func(nanoseconds uint64, f func()) { fire = append(fire, f) }
	c := &trial{typ: ebpf.SchedCLS, frame: make([]byte, 64), tail: tick()}
	for kind := range 3 { // of element 0, without wrong flags
		for r := rand.New(rand.NewPCG(uint64(kind), 0)); ; {
			if s := onTimer(r, kind); s.insns[0].Constant == 0 && !wrong.MatchString(s.name) {
				c.steps = append(c.steps, s)
				break
			}
		}
	}
	o := j.simulated(c)
	require.Zero(t, o.Errno)
	for i := range c.steps {
		require.Zero(t, native.Uint64(o.Memory[8*i:]), c.steps[i].name)
	}
	require.Len(t, fire, 1)
	more := func() uint64 {
		p := j.p
		key, value := p.put(make([]byte, 4)), p.put(make([]byte, 24))
		p.must(1, attrOf(j.here[theTimers], 0, key, value, uint64(0)))
		got, err := p.at(value, 24)
		require.NoError(t, err)
		return native.Uint64(got[16:])
	}
	require.Zero(t, more())
	fire[0]()
	require.Equal(t, uint64(7), more())
}
