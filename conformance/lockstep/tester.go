package lockstep

import (
	"errors"
	"fmt"
	"strings"

	"github.com/nkconform/nkconform/mprog"
)

// Backend makes environments.
type Backend struct {
	Name string
	New  func() (mprog.Environment, error)
}

// Tester compares two backends.
type Tester struct {
	a, b     Backend
	w        *world
	features features
	ops      ops
	used     int // sequences that the present environments have seen
	last     Sequence

	// Fresh makes every sequence use environments of its own.
	Fresh bool
	// Without are kinds of steps to do without.
	Without []Op
	Stats   Stats
}

// Stats counts what a tester has done.
type Stats struct {
	Sequences, Steps, Succeeded int
	Skipped, Cut                int // see errSkipped, errCut
	Full                        int // steps on a hook that is full
	Errnos                      map[mprog.Errno]int
	Ops                         map[Op]int
}

// Calls tells how often each kind of step was performed.
func (s Stats) Calls() string {
	var parts []string
	for op := Attach; op < opEnd; op++ {
		if n := s.Ops[op]; n > 0 && op != Fill {
			parts = append(parts, fmt.Sprintf("%s %d", verbs[op], n))
		}
	}
	return strings.Join(parts, ", ")
}

// Sequence is what was performed: a stage, and steps in a form that can be
// performed again.
type Sequence struct {
	Stage Stage
	Steps []Step
}

// Finding is a sequence whose last step shows a difference.
type Finding struct {
	Sequence
	Difference
}

// reuse is how many sequences use the same two environments. Each makes and
// removes devices of its own.
const reuse = 200

// New returns a tester, which must be closed. The error tells if one of the
// backends cannot make an environment, or has neither netkit nor tcx.
func New(a, b Backend) (*Tester, error) {
	t := &Tester{a: a, b: b, Stats: Stats{Errnos: map[mprog.Errno]int{}, Ops: map[Op]int{}}}
	if err := t.refresh(); err != nil {
		return nil, err
	}
	t.features = features{netkit: t.both(mprog.FeatureNetkit), tcx: t.both(mprog.FeatureTCX)}
	if !t.features.netkit && !t.features.tcx {
		return nil, errors.Join(fmt.Errorf("%s and %s have neither netkit nor tcx in common", a.Name, b.Name), t.Close())
	}
	t.features.xdp = t.w.sides[0].linksXDP() && t.w.sides[1].linksXDP()
	t.ops = t.probe()
	return t, t.refresh()
}

// both reports whether both environments have a feature.
func (t *Tester) both(f mprog.Feature) bool {
	return t.w.sides[0].env.Supports(f) == nil && t.w.sides[1].env.Supports(f) == nil
}

// refresh makes new environments.
func (t *Tester) refresh() error {
	if err := t.Close(); err != nil {
		return err
	}
	w := &world{}
	for i, b := range []Backend{t.a, t.b} {
		env, err := b.New()
		if err == nil {
			w.sides[i], err = newSide(env)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", b.Name, err)
		}
	}
	t.w, t.used = w, 0
	return nil
}

// Close shuts the environments down.
func (t *Tester) Close() error {
	if t.w == nil {
		return nil
	}
	w := t.w
	t.w = nil
	return errors.Join(w.sides[0].env.Shutdown(), w.sides[1].env.Shutdown())
}

// probe finds the steps that both environments can perform.
func (t *Tester) probe() (can ops) {
	for op := Attach; op < opEnd; op++ {
		can[op] = true
		for _, s := range t.w.sides {
			if errors.Is(s.probe(op), mprog.ErrUnsupported) {
				can[op] = false
			}
		}
	}
	return can
}

// linksXDP reports whether links of XDP programs can be made, and makes one.
func (s *side) linksXDP() bool {
	_, err := s.env.LinkCreate(mprog.LinkCreateRequest{
		ProgFD: s.fd[xdpProgs], TargetIfindex: 1, AttachType: mprog.XDPDevice, Flags: 1 << 1, // XDP_FLAGS_SKB_MODE
	})
	return !errors.Is(err, mprog.ErrUnsupported)
}

// probe tries a step without consequences.
func (s *side) probe(op Op) (err error) {
	switch op {
	case OpenProg:
		_, err = s.env.ProgFDByID(mprog.IDRequest{ID: unbound})
	case OpenLink:
		_, err = s.env.LinkFDByID(mprog.IDRequest{ID: unbound})
	case Pin, Get, Unlink:
		_, err = s.env.ObjGet(mprog.GetRequest{Path: path(0)})
	case Dup:
		_, err = s.env.Dup(unbound)
	case Command:
		err = s.env.Command(mprog.CommandRequest{Command: 1 << 31})
	case StartProcess, EndProcess:
		var p mprog.Process
		if p, err = s.env.NewProcess(mprog.ProcessSpec{}); err == nil {
			err = p.Exit()
		}
	case MoveDevice:
		_, err = s.env.NewNetns()
	case EndNetns:
		err = s.env.EndNetns(unbound)
	case Send:
		_, err = s.env.Transmit(1)
	case AddQdisc, DeleteQdisc, AddFilter, DeleteFilter:
		if _, err = trafficControl(s.env); err == nil {
			err = s.env.Supports(mprog.FeatureClsact)
		}
	}
	return err
}

// within runs a function where the calls of both environments are quick.
func (t *Tester) within(f func()) (err error) {
	for _, s := range t.w.sides {
		if r, ok := s.env.(mprog.Runner); ok {
			inner := f
			f = func() { err = errors.Join(err, r.Run(inner)) }
		}
	}
	f()
	return err
}

// Random performs a sequence of random steps. The same seed and number make
// the same sequence.
func (t *Tester) Random(seed, number uint64, steps int) (*Finding, error) {
	return t.generate(newSeeded(seed, number), steps)
}

// Bytes performs the sequence that a string of bytes stands for.
func (t *Tester) Bytes(p []byte) (*Finding, error) {
	return t.generate(&bytes{p}, 4*len(p))
}

func (t *Tester) generate(src source, steps int) (*Finding, error) {
	can := t.ops
	for _, op := range t.Without {
		can[op] = false
	}
	g, stage := newGenerator(src, can, t.features)
	return t.play(stage, func(w *world) (Step, bool) {
		if g.w = w; steps == 0 || !g.more() {
			return Step{}, false
		}
		steps--
		return g.next(), true
	})
}

// Replay performs a sequence again.
func (t *Tester) Replay(s Sequence) (*Finding, error) {
	i := -1
	return t.play(s.Stage, func(*world) (Step, bool) {
		if i++; i >= len(s.Steps) {
			return Step{}, false
		}
		return s.Steps[i], true
	})
}

// Last returns the sequence performed last.
func (t *Tester) Last() Sequence { return t.last }

// play performs steps until there are no more or there is a difference.
func (t *Tester) play(stage Stage, next func(*world) (Step, bool)) (found *Finding, err error) {
	if t.used++; t.used > reuse || t.Fresh && t.used > 1 {
		if err := t.refresh(); err != nil {
			return nil, err
		}
	}
	t.used = max(t.used, 1)
	if err := t.w.begin(stage); err != nil {
		return nil, err
	}
	r := run{t: t, next: func(w *world) (Step, bool) {
		step, more := next(w)
		if more || t.Fresh {
			return step, more
		}
		return w.closeLink() // so that the devices can be used again
	}}
	for !r.over {
		if err := t.within(r.inside); err != nil {
			return nil, err
		}
		if !r.over { // at a step that cannot be made inside
			r.perform()
		}
	}
	t.Stats.Sequences++
	t.last = Sequence{stage, r.done}
	switch {
	case r.err != nil:
		return nil, fmt.Errorf("after %d steps: %w", len(r.done), r.err)
	case r.difference != nil:
		return &Finding{t.last, *r.difference}, t.refresh()
	case r.cut:
		t.Stats.Cut++
		return nil, t.refresh()
	}
	if stage.Netns { // which no environment gives back
		return nil, t.refresh()
	}
	return nil, t.w.end(t.Fresh)
}

// run is a sequence on its way.
type run struct {
	t    *Tester
	next func(*world) (Step, bool)
	step Step
	done []Step

	over, cut  bool // cut: the environments are in different states
	difference *Difference
	err        error
}

// inside performs steps until the sequence is over or a step is at hand that
// sets the stage.
func (r *run) inside() {
	for !r.over {
		var more bool
		if r.step, more = r.next(r.t.w); !more {
			r.over = true
			return
		}
		if r.step.setsStage() {
			return
		}
		r.perform()
	}
}

// perform performs the step at hand.
func (r *run) perform() {
	difference, err := r.t.w.do(&r.step)
	switch {
	case errors.Is(err, errSkipped):
		r.t.Stats.Skipped++
		return
	case errors.Is(err, errCut):
		r.over, r.cut = true, true
		return
	}
	r.done = append(r.done, r.step)
	if r.over = err != nil || difference != nil; err != nil {
		r.err = err
		return
	}
	r.difference = difference
	r.t.count(&r.step)
}

func (t *Tester) count(s *Step) {
	t.Stats.Steps++
	t.Stats.Ops[s.Op]++
	errno := t.w.answers[0].Errno
	if t.Stats.Errnos[errno]++; errno == 0 {
		t.Stats.Succeeded++
	}
	if h, ok := s.touches(); ok {
		if state := t.w.hook(h); state != nil && len(state.answer.Entries) == mprog.MaxPrograms {
			t.Stats.Full++
		}
	}
}
