package machine

// Call is a call of a helper.
type Call struct {
	At     int // the instruction
	Helper int32
}

// Calls returns the calls of helpers that the program can get to, as a verifier
// sees it: it knows what constants decide. Fixed returns what a map's memory has
// that never changes; programs are built for kernels that lack a helper with a
// constant before the call that says so.
func (p *Program) Calls(fixed func(id, offset uint32, size int) (v uint64, ok bool)) (calls []Call) {
	w := &walk{p: p, fixed: fixed, seen: make([]*known, len(p.insns))}
	w.visit(0, &known{})
	for len(w.pending) > 0 {
		at := w.pending[len(w.pending)-1]
		w.pending = w.pending[:len(w.pending)-1]
		w.step(at)
	}
	for at, k := range w.seen {
		if i := &p.insns[at]; k != nil && i.code == classJump|opCall && i.src == callHelper {
			calls = append(calls, Call{at, int32(i.imm)})
		}
	}
	return calls
}

// value is what is known of a register.
type value struct {
	what uint8
	v    uint64 // the number, or the map's id and the offset in its value
}

const (
	anything = iota
	aNumber
	inMap
)

// known are all registers before an instruction.
type known [11]value

type walk struct {
	p       *Program
	fixed   func(id, offset uint32, size int) (uint64, bool)
	seen    []*known // of instructions that are reached
	pending []int    // of which more is to be found out
}

// visit gets to an instruction. What is not the same as the last time is not known
// any more.
func (w *walk) visit(at int, k *known) {
	if at < 0 || at >= len(w.p.insns) {
		return
	}
	before := w.seen[at]
	if before == nil {
		copied := *k
		w.seen[at] = &copied
		w.pending = append(w.pending, at)
		return
	}
	changed := false
	for r := range before {
		if before[r].what != anything && before[r] != k[r] {
			before[r] = value{}
			changed = true
		}
	}
	if changed {
		w.pending = append(w.pending, at)
	}
}

func (w *walk) step(at int) {
	i, k := &w.p.insns[at], *w.seen[at]
	if i.dst > 10 || i.src > 10 {
		return
	}
	next := at + 1
	switch class := i.class(); {
	case i.code == loadWide:
		k[i.dst] = w.wide(at, i)
		next++
	case class == classALU, class == classALU64:
		k[i.dst] = alu(i, k[i.dst], k[i.src])
	case class == classLoadX:
		k[i.dst] = w.load(i, k[i.src])
	case class == classJump, class == classJump32:
		w.jump(at, i, &k)
		return
	case class == classStoreX && i.mode() == modeAtomic:
		k[i.src], k[0] = value{}, value{} // fetched, perhaps
	case class == classLoad:
		k[0] = value{}
	}
	w.visit(next, &k)
}

func (w *walk) wide(at int, i *insn) value {
	switch i.src {
	case 0:
		return value{aNumber, uint64(i.imm)}
	case pseudoMapValue, pseudoMapIdxValue:
		return value{inMap, uint64(i.imm)} // the id is the low half, the offset the high one
	case pseudoFunc:
		w.visit(at+1+int(int32(i.imm)), &known{})
	}
	return value{}
}

func (w *walk) load(i *insn, from value) value {
	if from.what != inMap || i.mode() != modeMemory {
		return value{}
	}
	v, ok := w.fixed(uint32(from.v), uint32(from.v>>32)+uint32(i.off), i.size())
	if !ok {
		return value{}
	}
	return value{aNumber, v}
}

// alu is evaluate of what is known.
func alu(i *insn, dst, src value) value {
	operand := value{aNumber, uint64(i.imm)}
	if i.register() && i.op() != aluEnd {
		operand = src
	}
	move := i.op() == aluMov && i.off == 0
	switch {
	case move && i.class() == classALU64:
		return operand
	case operand.what != aNumber, !move && dst.what != aNumber:
		return value{}
	}
	v, err := evaluate(i, dst.v, operand.v)
	if err != nil {
		return value{}
	}
	return value{aNumber, v}
}

func (w *walk) jump(at int, i *insn, k *known) {
	wide := i.class() == classJump
	switch {
	case i.op() == opGoTo && wide:
		w.visit(at+1+int(i.off), k)
		return
	case i.op() == opGoTo:
		w.visit(at+1+int(i.imm), k)
		return
	case i.op() == opExit && wide:
		return
	case i.op() == opCall && wide:
		if i.src == callOwn {
			w.visit(at+1+int(i.imm), &known{})
		}
		for r := range 6 {
			k[r] = value{}
		}
		w.visit(at+1, k)
		return
	}
	a, b := k[i.dst], value{aNumber, uint64(i.imm)}
	if i.register() {
		b = k[i.src]
	}
	if a.what == aNumber && b.what == aNumber && i.op() != opMay {
		x, y := a.v, b.v
		if !wide {
			x, y = uint64(int64(int32(uint32(x)))), uint64(int64(int32(uint32(y))))
		}
		if taken, err := compare(i, x, y); err == nil {
			if taken {
				w.visit(at+1+int(i.off), k)
			} else {
				w.visit(at+1, k)
			}
			return
		}
	}
	w.visit(at+1, k)
	w.visit(at+1+int(i.off), k)
}
