package search

import "slices"

// Play makes a schedule happen, as far as it can, and then lets one agent after the
// other go on to its end. It returns what was done, and what that broke, if anything.
func Play(m Machine, schedule []Action) (path []Action, f *Finding, err error) {
	if err := m.Reset(); err != nil {
		return nil, nil, err
	}
	var actions []Action
	last := int8(-1)
	for {
		b, err := m.Check(false)
		if err != nil {
			return path, nil, err
		}
		if b != nil {
			return path, &Finding{Broken: *b, Path: path}, nil
		}
		actions = m.Actions(actions[:0])
		var next Action
		chosen := false
		for len(schedule) > 0 && !chosen {
			next, schedule = schedule[0], schedule[1:]
			chosen = slices.Contains(actions, next)
		}
		if !chosen {
			sort(actions, last)
			if len(actions) == 0 || actions[0].Kind != Call {
				b, err := m.Check(true)
				if b == nil || err != nil {
					return path, nil, err
				}
				return path, &Finding{Broken: *b, Path: path}, nil
			}
			next = actions[0]
		}
		if err := m.Do(next); err != nil {
			return path, nil, err
		}
		path = append(path, next)
		if next.Kind != Event {
			last = next.Agent
		}
		if len(path) > longest {
			return path, nil, nil
		}
	}
}

// longest is how long a run may be that is played.
const longest = 100_000

// Shrink looks for a schedule that breaks the same invariant with fewer crashes and
// faults, fewer switches, or fewer calls. It plays at most so many runs.
func Shrink(m Machine, f *Finding, runs int) (*Finding, error) {
	best := f
	try := func(candidate []Action) (better bool, err error) {
		if runs--; runs < 0 {
			return false, nil
		}
		var found *Finding
		if f.Cycle > 0 {
			found, err = playCircle(m, candidate, best)
		} else {
			_, found, err = Play(m, candidate)
		}
		if err != nil || found == nil || found.Name != best.Name || !less(found.cost(), best.cost()) {
			return false, err
		}
		found.Path = slices.Clone(found.Path)
		best = found
		return true, nil
	}
	if f.Cycle > 0 {
		return best, shrinkCircle(best, try, &best)
	}
	for better := true; better && runs > 0; {
		better = false
		for _, candidate := range candidates(best.Path) {
			found, err := try(candidate)
			if err != nil {
				return best, err
			}
			if found {
				better = true
				break
			}
		}
	}
	return best, nil
}

// candidates are schedules that may do with less: the beginning alone, without one
// action, without one agent's stretch, or with one agent's stretch moved to where that agent goes on
// or stopped before.
func candidates(path []Action) (list [][]Action) {
	for n := range len(path) {
		list = append(list, path[:n])
	}
	blocks := stretches(path)
	for i := range blocks {
		list = append(list, joined(blocks, i, -1))
		for to := range blocks {
			if to != i && to != i+1 {
				list = append(list, joined(blocks, i, to))
			}
		}
	}
	for i := range path {
		list = append(list, slices.Concat(path[:i], path[i+1:]))
	}
	return list
}

// stretches cuts a path where another agent goes on.
func stretches(path []Action) (blocks [][]Action) {
	for i, a := range path {
		if i > 0 && a.Agent == path[i-1].Agent && a.free() && path[i-1].free() {
			blocks[len(blocks)-1] = append(blocks[len(blocks)-1], a)
			continue
		}
		blocks = append(blocks, []Action{a})
	}
	return blocks
}

// joined puts stretches together, with one of them moved in front of another, or left
// out.
func joined(blocks [][]Action, moved, to int) (path []Action) {
	for i, b := range blocks {
		if i == to {
			path = append(path, blocks[moved]...)
		}
		if i != moved {
			path = append(path, b...)
		}
	}
	return path
}

// shrinkCircle shortens what leads to a circle, and the circle.
func shrinkCircle(f *Finding, try func([]Action) (bool, error), best **Finding) error {
	round := f.Path[len(f.Path)-f.Cycle:]
	for n := range len(f.Path) - f.Cycle {
		if found, err := try(slices.Concat(f.Path[:n], round)); found || err != nil {
			return err
		}
		for turn := 1; turn < len(round); turn++ {
			turned := slices.Concat(round[turn:], round[:turn])
			if found, err := try(slices.Concat(f.Path[:n], turned)); found || err != nil {
				return err
			}
		}
	}
	return nil
}

// playCircle plays what leads to a circle, and goes round it.
func playCircle(m Machine, path []Action, f *Finding) (*Finding, error) {
	if err := m.Reset(); err != nil {
		return nil, err
	}
	lead, round := path[:len(path)-f.Cycle], path[len(path)-f.Cycle:]
	for _, part := range [][]Action{lead, round} { // the circle's first round leads to its shape
		for _, a := range part {
			if !slices.Contains(m.Actions(nil), a) {
				return nil, nil
			}
			if err := m.Do(a); err != nil {
				return nil, err
			}
		}
	}
	if again, err := repeats(m, round, m.Shape(), rounds); !again || err != nil {
		return nil, err
	}
	return &Finding{Broken: f.Broken, Path: path, Cycle: f.Cycle}, nil
}
