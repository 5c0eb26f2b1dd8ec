package search

import "slices"

// Agents that insist make the same shape again and again.
const (
	circleFrom = 24 // actions into a run
	rounds     = 40 // how often a circle is gone round before it is believed
	tries      = 3  // circles of the same shape that are tried
	found      = -1 // instead of the number of tries: it was one
)

// circle looks whether the path ends with a circle in which every agent that is not
// done takes part, and that can be gone round for ever.
func (s *Search) circle(depth int, last int8) (over bool, err error) {
	for len(s.shapes) <= depth {
		s.shapes = append(s.shapes, 0)
	}
	if depth < circleFrom {
		s.shapes[depth] = 0
		return false, nil
	}
	shape := s.Machine.Shape()
	s.shapes[depth] = shape
	if s.tried[shape] == found {
		s.ended()
		return true, nil
	}
	if s.tried[shape] >= tries {
		return false, nil
	}
	for from := depth - 2; from >= circleFrom; from-- {
		if s.shapes[from] != shape || !s.fair(depth, s.path[from:depth]) {
			continue
		}
		s.tried[shape]++
		round := slices.Clone(s.path[from:depth])
		if s.saver != nil {
			s.saver.Save(depth)
		}
		repeats, err := repeats(s.Machine, round, shape, rounds)
		if err != nil {
			return false, err
		}
		if repeats {
			s.ended()
			s.found(&livelock, len(round))
			s.tried[shape] = found
			return true, nil
		}
		return false, s.back(depth)
	}
	return false, nil
}

var livelock = Broken{Name: "livelock", Text: "the same happens again and again, although every agent goes on"}

// fair reports whether a part of the path has nothing but calls, of several agents and
// of every one that could go on.
func (s *Search) fair(depth int, part []Action) bool {
	agents := uint64(0)
	for _, a := range part {
		if a.Kind != Call {
			return false
		}
		agents |= 1 << a.Agent
	}
	if agents&(agents-1) == 0 { // one alone never ends, which is told otherwise
		return false
	}
	for _, a := range s.levels[depth].actions {
		if a.Kind == Call && agents&(1<<a.Agent) == 0 {
			return false
		}
	}
	return true
}

// repeats goes round a circle, and reports whether that leads to the same shape each time.
func repeats(m Machine, round []Action, shape uint64, times int) (bool, error) {
	for range times {
		for _, a := range round {
			if !slices.Contains(m.Actions(nil), a) {
				return false, nil
			}
			if err := m.Do(a); err != nil {
				return false, err
			}
		}
		if m.Shape() != shape {
			return false, nil
		}
		if b, err := m.Check(false); b != nil || err != nil {
			return false, err
		}
	}
	return true, nil
}
