package search

import (
	"math/rand/v2"
	"slices"
)

// Random explores by runs with random priorities (Burckhardt, Kothari, Musuvathi,
// Nagarakatte: A Randomized Scheduler with Probabilistic Guarantees of Finding Bugs,
// ASPLOS 2010): of n agents with k calls together, a bug that takes d choices in a
// certain order is found by each run with a probability of at least 1/(n*k^(d-1)).
// Crashes, faults and events come at random moments.
func (s *Search) Random(seed uint64, depth int) error {
	calls := 16 // of a run; learned
	s.seen = make(map[Key]uint64)
	var actions []Action
	for !s.limited() {
		rng := rand.New(rand.NewPCG(seed, uint64(s.Stats.Runs)))
		if err := s.Machine.Reset(); err != nil {
			return err
		}
		priority := rng.Perm(128)
		var changes []int
		for range depth - 1 {
			changes = append(changes, rng.IntN(calls))
		}
		lowest := -1
		disturb := rng.IntN(calls + 1) // when something else than a call happens next
		s.path = s.path[:0]
		over, err := s.randomRun(func(step int, last int8) Action {
			if step >= disturb {
				if others := slices.DeleteFunc(slices.Clone(actions), Action.free); len(others) > 0 {
					disturb = step + 1 + rng.IntN(calls+1)
					return others[rng.IntN(len(others))]
				}
			}
			best := -1
			for i, a := range actions {
				if a.free() && (best < 0 || priority[a.Agent] > priority[actions[best].Agent]) {
					best = i
				}
			}
			if slices.Contains(changes, step) {
				priority[actions[best].Agent] = lowest
				lowest--
			}
			a := actions[best]
			var same []Action // goroutines of an agent
			for _, other := range actions {
				if other.free() && other.Agent == a.Agent {
					same = append(same, other)
				}
			}
			return same[rng.IntN(len(same))]
		}, &actions)
		if err != nil || over {
			return err
		}
		calls = max(calls, len(s.path))
	}
	return nil
}

// randomRun makes one run. Over says that the exploration is to end.
func (s *Search) randomRun(choose func(step int, last int8) Action, actions *[]Action) (over bool, err error) {
	last := int8(-1)
	for step := 0; ; step++ {
		*actions = s.Machine.Actions((*actions)[:0])
		ends := !slices.ContainsFunc(*actions, Action.free)
		b, err := s.Machine.Check(false)
		if b == nil && err == nil && ends {
			b, err = s.Machine.Check(true)
		}
		if err != nil {
			return true, err
		}
		key := s.Machine.Key()
		if _, known := s.seen[key]; !known && len(s.seen) < remembered {
			s.seen[key] = 0
			s.Stats.States++
		}
		s.Stats.Depth = max(s.Stats.Depth, step)
		if b != nil || ends || step > longest {
			s.ended()
			s.Stats.Ended++
			if b != nil {
				s.found(b, 0)
			}
			return s.over, nil
		}
		a := choose(step, last)
		if err := s.Machine.Do(a); err != nil {
			return true, err
		}
		s.Stats.Actions++
		s.path = append(s.path, a)
		last = a.Agent
	}
}

// remembered is how many states are counted, so that memory is bounded.
const remembered = 1 << 20
