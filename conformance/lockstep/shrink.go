package lockstep

import (
	"context"
	"slices"

	"github.com/nkconform/nkconform/mprog"
)

// Shrink looks for a shorter and simpler sequence that shows a difference, until
// there is none, or ctx is done. A difference that does not come again on new
// environments is returned as it is, and again is false.
func (t *Tester) Shrink(ctx context.Context, f *Finding) (small *Finding, again bool, err error) {
	defer func(fresh bool) { t.Fresh = fresh }(t.Fresh)
	t.Fresh = true
	if err := t.refresh(); err != nil {
		return f, false, err
	}
	sh := shrinker{ctx: ctx, t: t, best: f}
	if again = sh.try(f.Sequence); !again || sh.err != nil {
		return f, again, sh.err
	}
	for before := -1; sh.changes != before && sh.err == nil; {
		before = sh.changes
		sh.leaveOut()
		sh.simplify()
	}
	return sh.best, true, sh.err
}

type shrinker struct {
	ctx     context.Context
	t       *Tester
	best    *Finding
	changes int
	err     error
}

// try performs a candidate, which becomes the best if it shows a difference.
func (s *shrinker) try(c Sequence) bool {
	if s.err != nil || s.ctx.Err() != nil {
		return false
	}
	found, err := s.t.Replay(c)
	if s.err = err; found == nil {
		return false
	}
	s.best = found
	s.changes++
	return true
}

// leaveOut tries the sequence without each run of steps, the longest runs
// first. The last step, which shows the difference, stays.
func (s *shrinker) leaveOut() {
	for size := len(s.best.Steps) / 2; size >= 1; size /= 2 {
		for at := 0; at+size < len(s.best.Steps); {
			c := s.best.Sequence
			c.Steps = slices.Delete(slices.Clone(c.Steps), at, at+size)
			if !s.try(c) {
				at += size
			}
		}
	}
}

// shortcut tries the step with another fd of an object replaced by its first.
func (s *shrinker) shortcut(at int) {
	for i := range at {
		dup := s.best.Steps[i]
		if dup.Op != Dup && dup.Op != OpenProg && dup.Op != OpenLink || !dup.Object.slot() {
			continue
		}
		c := s.best.Sequence
		c.Steps = slices.Clone(c.Steps)
		changed := false
		for _, r := range []*Ref{&c.Steps[at].Object, &c.Steps[at].Second, &c.Steps[at].Third, &c.Steps[at].Relative} {
			if r.Slot == dup.Makes {
				*r, changed = dup.Object, true
			}
		}
		if changed {
			s.try(c)
		}
	}
}

// simplify tries plainer forms of each step.
func (s *shrinker) simplify() {
	for at := 0; at < len(s.best.Steps); at++ {
		s.shortcut(at)
		for _, plain := range plainer {
			for range 8 { // as long as it helps
				if at >= len(s.best.Steps) {
					return
				}
				step := s.best.Steps[at]
				if !plain(&step) {
					break
				}
				c := s.best.Sequence
				c.Steps = slices.Clone(c.Steps)
				c.Steps[at] = step
				if !s.try(c) {
					break
				}
			}
		}
	}
}

// plainer are ways to make a step simpler; each reports whether it has.
var plainer = []func(*Step) bool{
	func(s *Step) bool { return set(&s.Shape, mprog.Shape{}) },
	func(s *Step) bool { return set(&s.Junk, 0) },
	func(s *Step) bool { return set(&s.Revision, Revision{}) },
	func(s *Step) bool { return set(&s.Process, 0) },
	func(s *Step) bool { return set(&s.Flags, 0) },
	func(s *Step) bool { return clearBit(s, mprog.Replace) },
	func(s *Step) bool { return clearBit(s, mprog.Before) },
	func(s *Step) bool { return clearBit(s, mprog.After) },
	func(s *Step) bool { return clearBit(s, mprog.ID) },
	func(s *Step) bool { return clearBit(s, mprog.Link) },
	func(s *Step) bool { return set(&s.Relative, zero) },
	func(s *Step) bool { return s.Op != UpdateLink && set(&s.Second, zero) },
	func(s *Step) bool { return set(&s.Third, zero) },
	func(s *Step) bool { return s.Op == Fill && s.Count > 1 && set(&s.Count, s.Count/2) },
	func(s *Step) bool { return s.Op == Fill && s.Count > 1 && set(&s.Count, s.Count-1) },
	func(s *Step) bool {
		return s.Op == Query && set(&s.Count, mprog.MaxPrograms+1)
	},
	func(s *Step) bool { return s.Op == Query && set(&s.NoProgIDs, false) },
	func(s *Step) bool { return s.Op == Query && set(&s.NoLinkIDs, false) },
	func(s *Step) bool { return set(&s.ProgFlags, false) },
	func(s *Step) bool { return set(&s.LinkFlags, false) },
	func(s *Step) bool { return set(&s.QueryFlags, 0) },
	func(s *Step) bool { return set(&s.Away, false) },
	func(s *Step) bool { return set(&s.Without, [2]mprog.Capability{}) },
}

func set[T comparable](field *T, to T) bool {
	changed := *field != to
	*field = to
	return changed
}

func clearBit(s *Step, bit mprog.Flags) bool {
	if bit == mprog.ID && s.Relative != zero {
		return false
	}
	return set(&s.Flags, s.Flags&^bit)
}
