package search

import (
	"slices"
	"sync/atomic"
	"time"
)

// Limits say when to stop. Zero is no limit.
type Limits struct {
	Runs, States int
	Preemptions  int // more switches from an agent that could go on are not tried; below 0: no limit
	Until        time.Time
}

// Stats say how far an exploration came. A run ends where an agent's last call was
// answered, where a state has been seen before, or where an invariant broke.
type Stats struct {
	Runs, Ended int    // all, and those that came to the end of every agent
	States      int    // different ones
	Actions     int    // done
	Depth       int    // the most actions of a run
	Pruned      int    // runs that came to a state seen before
	Asleep      int    // actions left out, since they only swap with others
	Cut         string // why not everything was explored; "": it was
}

// Search explores a machine.
type Search struct {
	Machine Machine
	Limits  Limits
	// Reduce leaves out what cannot show anything new.
	Reduce bool
	// All goes on after a finding, with one for each invariant.
	All bool
	// Stop, if set, ends the exploration.
	Stop *atomic.Bool
	// Progress, if set, is called now and then.
	Progress func(Stats)

	Stats    Stats
	Findings []*Finding

	saver  Saver
	path   []Action
	shapes []uint64
	seen   map[Key]uint64 // what was not done there, as it was asleep
	levels []level
	tried  map[uint64]int // cycles, by shape
	over   bool
}

// level is what a depth of the search uses again and again.
type level struct {
	actions []Action
	sleep   []sleeper
}

// sleeper is an action that need not be done, since what it leads to has been seen by
// doing it earlier: as long as nothing happens that it depends on.
type sleeper struct {
	action        Action
	reads, writes uint64
}

// Run explores everything, depth first.
func (s *Search) Run() error {
	s.saver, _ = s.Machine.(Saver)
	s.seen, s.tried = make(map[Key]uint64), make(map[uint64]int)
	if err := s.Machine.Reset(); err != nil {
		return err
	}
	return s.visit(-1, 0)
}

// bit stands for an action in a set of sleepers; 0 for one that never sleeps.
func (a Action) bit() uint64 {
	switch {
	case a.Agent < 0 || a.Agent > 6:
		return 0
	case a.Kind == Call && a.N < 7:
		return 1 << (8*a.Agent + int8(a.N))
	case a.Kind == Crash:
		return 1 << (8*a.Agent + 7)
	}
	return 0
}

func (s *Search) cut(why string) {
	if s.over = true; s.Stats.Cut == "" {
		s.Stats.Cut = why
	}
}

// limited reports whether the exploration is to end.
func (s *Search) limited() bool {
	switch l := &s.Limits; {
	case s.over:
	case s.Stop != nil && s.Stop.Load():
		s.cut("it was interrupted")
	case l.Runs > 0 && s.Stats.Runs >= l.Runs:
		s.cut("the limit of runs")
	case l.States > 0 && s.Stats.States > l.States:
		s.cut("the limit of states")
	case s.Stats.Actions&63 == 0 && !l.Until.IsZero() && time.Now().After(l.Until):
		s.cut("the limit of time")
	}
	return s.over
}

func (s *Search) ended() {
	s.Stats.Runs++
	if s.Progress != nil && s.Stats.Runs&15 == 0 {
		s.Progress(s.Stats)
	}
}

// found notes a finding, the first of its invariant.
func (s *Search) found(b *Broken, cycle int) {
	known := slices.ContainsFunc(s.Findings, func(f *Finding) bool { return f.Name == b.Name })
	if !known {
		s.Findings = append(s.Findings, &Finding{Broken: *b, Path: slices.Clone(s.path), Cycle: cycle})
	}
	if !s.All {
		s.over = true
	}
}

// visit explores what can happen from here on.
func (s *Search) visit(last int8, preemptions int) error {
	depth := len(s.path)
	s.Stats.Depth = max(s.Stats.Depth, depth)
	if len(s.levels) <= depth {
		s.levels = append(s.levels, level{})
	}
	b, err := s.Machine.Check(false)
	if err != nil {
		return err
	}
	if b != nil {
		s.ended()
		s.found(b, 0)
		return nil
	}
	actions := s.Machine.Actions(s.levels[depth].actions[:0])
	s.levels[depth].actions = actions
	if !slices.ContainsFunc(actions, func(a Action) bool { return a.Kind == Call }) {
		if b, err = s.Machine.Check(true); err != nil {
			return err
		}
		if b != nil {
			s.ended()
			s.Stats.Ended++
			s.found(b, 0)
			return nil
		}
		if len(actions) == 0 {
			s.Stats.Ended++
		}
	}
	todo := ^uint64(0)
	if s.Reduce {
		if todo = s.reduce(depth, last, preemptions); todo == 0 {
			s.ended()
			s.Stats.Pruned++
			return nil
		}
	} else {
		s.Stats.States++
	}
	if len(actions) == 0 {
		s.ended()
		return nil
	}
	if over, err := s.circle(depth, last); over || err != nil {
		return err
	}
	return s.branch(depth, last, preemptions, todo)
}

// reduce says which actions are still to be done in this state; 0: none.
func (s *Search) reduce(depth int, last int8, preemptions int) uint64 {
	key := s.Machine.Key()
	if s.Limits.Preemptions >= 0 {
		key[1] ^= uint64(last+2)*0x9e3779b97f4a7c15 + uint64(preemptions)*0xc2b2ae3d27d4eb4f
	}
	asleep := uint64(0)
	for _, z := range s.levels[depth].sleep {
		asleep |= z.action.bit()
	}
	left, known := s.seen[key]
	switch {
	case !known:
		s.seen[key] = asleep
		s.Stats.States++
		return ^uint64(0)
	case left&^asleep == 0:
		return 0
	}
	s.seen[key] = left & asleep
	return left &^ asleep
}

// branch does one action after the other, and explores what follows.
func (s *Search) branch(depth int, last int8, preemptions int, todo uint64) error {
	sort(s.levels[depth].actions, last)
	could := slices.ContainsFunc(s.levels[depth].actions, func(a Action) bool { return a.Kind == Call && a.Agent == last })
	done := 0
	for i := 0; i < len(s.levels[depth].actions); i++ {
		if s.limited() {
			return nil
		}
		a := s.levels[depth].actions[i]
		sleep := s.levels[depth].sleep
		if s.Reduce && slices.ContainsFunc(sleep, func(z sleeper) bool { return z.action == a }) {
			s.Stats.Asleep++
			continue
		}
		if bit := a.bit(); bit != 0 && todo&bit == 0 || bit == 0 && todo != ^uint64(0) {
			continue
		}
		spent := preemptions
		if could && a.switches(last) && a.Kind == Call {
			spent++
		}
		if s.Limits.Preemptions >= 0 && spent > s.Limits.Preemptions {
			s.Stats.Cut = "the limit of preemptions"
			continue
		}
		if done > 0 {
			if err := s.back(depth); err != nil {
				return err
			}
		} else if s.saver != nil && i+1 < len(s.levels[depth].actions) {
			s.saver.Save(depth)
		}
		done++
		var reads, writes uint64
		if s.Reduce {
			reads, writes = s.Machine.Touches(a)
			s.fallAsleep(depth, a, reads, writes)
		}
		s.Stats.Actions++
		if err := s.Machine.Do(a); err != nil {
			return err
		}
		s.path = append(s.path, a)
		next := last
		if a.Kind != Event {
			next = a.Agent
		}
		err := s.visit(next, spent)
		s.path = s.path[:depth]
		if err != nil {
			return err
		}
		if s.Reduce && a.bit() != 0 {
			s.levels[depth].sleep = append(s.levels[depth].sleep, sleeper{a, reads, writes})
		}
	}
	if done == 0 {
		s.ended()
	}
	return nil
}

// fallAsleep prepares what sleeps a level deeper, after an action that reads and writes.
// What an agent does depends on all that it did.
func (s *Search) fallAsleep(depth int, a Action, reads, writes uint64) {
	if len(s.levels) <= depth+1 {
		s.levels = append(s.levels, level{})
	}
	deeper := s.levels[depth+1].sleep[:0]
	for _, z := range s.levels[depth].sleep {
		if z.action.Agent != a.Agent && z.writes&(reads|writes) == 0 && writes&z.reads == 0 {
			deeper = append(deeper, z)
		}
	}
	s.levels[depth+1].sleep = deeper
}

// back returns to the state in which the path of that depth ended.
func (s *Search) back(depth int) error {
	if s.saver != nil {
		s.saver.Restore(depth)
		return nil
	}
	if err := s.Machine.Reset(); err != nil {
		return err
	}
	for _, a := range s.path[:depth] {
		if err := s.Machine.Do(a); err != nil {
			return err
		}
	}
	return nil
}

// sort puts first what goes on without a switch, then other calls, then the rest.
func sort(list []Action, last int8) {
	slices.SortStableFunc(list, func(a, b Action) int { return rank(a, last) - rank(b, last) })
}

func rank(a Action, last int8) int {
	r := 2 * int(a.Kind)
	if a.switches(last) {
		r++
	}
	return r
}
