package lockstep

import (
	"context"
	"fmt"
	"math/big"
	"strings"

	"github.com/nkconform/nkconform/mprog"
)

// Universe is what an exhaustive comparison chooses from: one hook, a few
// programs and links, every combination of flags, every relative object and
// replaced program, the current revision, another one and none.
type Universe struct {
	Type         mprog.AttachType
	Progs, Links int16
	Steps        int // length of the longest traces
}

// Enumeration is what an exhaustive comparison has covered.
type Enumeration struct {
	States      []int    // how many were reached first with so many steps
	Transitions int      // calls compared, each from one state
	Traces      *big.Int // of up to Steps steps, each of which these calls cover
	Progress    func(Enumeration)
}

// state is a state of the hook and the links, reached by steps. Its revision
// does not count: every state is entered at many.
type state struct {
	key   string
	steps []Step
	to    map[string]int // how many calls lead to each state
}

// Exhaustive performs every trace of the universe, up to what leads to the same
// states: from each state that can be reached, every call is made once.
func (t *Tester) Exhaustive(ctx context.Context, u Universe, e *Enumeration) (*Finding, error) {
	stage := Stage{Devices: []mprog.DeviceKind{mprog.AnyDevice}}
	if u.Type.Netkit() {
		stage.Devices[0] = mprog.Netkit
	}
	if err := t.w.begin(stage); err != nil {
		return nil, err
	}
	x := &explorer{t: t, u: u, e: e, all: map[string]*state{}}
	x.find(nil)
	for x.level = 0; x.level < u.Steps && x.finding == nil && x.err == nil; x.level++ {
		for _, s := range x.next() {
			if err := t.within(func() { x.expand(ctx, s) }); err != nil {
				x.err = err
			}
			if x.finding != nil || x.err != nil {
				break
			}
			if e.Progress != nil {
				e.Progress(*e)
			}
		}
	}
	e.Traces = countTraces("", u.Steps, func(key string) map[string]int { return x.all[key].to })
	if x.finding != nil || x.err != nil {
		if err := t.refresh(); err != nil {
			return nil, err
		}
		return x.finding, x.err
	}
	return nil, t.w.end(false)
}

type explorer struct {
	t       *Tester
	u       Universe
	e       *Enumeration
	all     map[string]*state
	order   []*state // as they were found
	level   int
	taken   int // of order
	finding *Finding
	err     error
}

// next returns the states found with level steps.
func (x *explorer) next() []*state {
	list := x.order[x.taken:]
	x.taken = len(x.order)
	return list
}

// find notes the present state, which steps have led to, and returns its key.
func (x *explorer) find(steps []Step) string {
	key := x.key()
	if x.all[key] == nil {
		s := &state{key: key, steps: append([]Step(nil), steps...), to: map[string]int{}}
		x.all[key] = s
		x.order = append(x.order, s)
		for len(x.e.States) <= len(steps) {
			x.e.States = append(x.e.States, 0)
		}
		x.e.States[len(steps)]++
	}
	return key
}

// key writes the present state: the list, and what became of each link.
func (x *explorer) key() string {
	var b strings.Builder
	if h := x.t.w.hook(x.hook()); h != nil {
		for _, e := range h.answer.Entries {
			fmt.Fprintf(&b, "%d@%d ", e.Prog, e.Link)
		}
	}
	for n := firstDynamic; n < len(x.t.w.objects); n++ {
		if o := x.t.w.objects[n]; o.open != 0 && !o.device {
			fmt.Fprintf(&b, "defunct %d@%d ", o.prog, n)
		}
	}
	return b.String()
}

func (x *explorer) hook() Hook { return Hook{1, x.u.Type} }

// do performs a step and reports whether to go on.
func (x *explorer) do(steps []Step, s Step) bool {
	difference, err := x.t.w.do(&s)
	if err != nil {
		x.err = fmt.Errorf("%d steps and one: %w", len(steps), err)
		return false
	}
	if difference != nil {
		x.finding = &Finding{Sequence{x.t.w.stage, append(append([]Step(nil), steps...), s)}, *difference}
		return false
	}
	x.forgetClosed()
	return true
}

// forgetClosed frees the slots of links that are closed.
func (x *explorer) forgetClosed() {
	w := x.t.w
	for n := firstDynamic; n < len(w.objects); n++ {
		if o := &w.objects[n]; o.made && o.open == 0 {
			*o = object{}
			w.sides[0].made[n], w.sides[1].made[n] = false, false
		}
	}
}

// restore empties the hook and performs the steps that lead to a state.
func (x *explorer) restore(s *state) bool {
	w := x.t.w
	for {
		step, more := w.closeLink()
		if !more {
			break
		}
		if !x.do(nil, step) {
			return false
		}
	}
	for h := w.hook(x.hook()); h != nil && len(h.answer.Entries) > 0; {
		first := x.step(Detach)
		first.Flags = mprog.Before
		if !x.do(nil, first) {
			return false
		}
	}
	for i, step := range s.steps {
		if !x.do(s.steps[:i], step) {
			return false
		}
	}
	if key := x.key(); key != s.key {
		x.err = fmt.Errorf("the same %d steps led to %q and to %q", len(s.steps), s.key, key)
		return false
	}
	return true
}

// expand makes every call from a state.
func (x *explorer) expand(ctx context.Context, s *state) {
	if !x.restore(s) {
		return
	}
	for _, call := range x.calls() {
		if ctx.Err() != nil {
			x.err = ctx.Err()
			return
		}
		if !x.do(s.steps, call) {
			return
		}
		x.e.Transitions++
		key := x.find(append(s.steps[:len(s.steps):len(s.steps)], call))
		s.to[key]++
		if key != s.key && !x.restore(s) {
			return
		}
	}
}
