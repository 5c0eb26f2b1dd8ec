package conformance

import (
	"cmp"
	"fmt"
	"slices"
)

// Failing is a scenario and what failed of it. The trace is nil of what is no
// scenario.
type Failing struct {
	Scenario
	*Failure
}

// Lines is how many statements the scenario has, each of which is a line.
func (f Failing) Lines() int {
	if f.Trace == nil {
		return 0
	}
	return len(f.Trace.Statements())
}

// Group is failures that look as if one thing were the matter.
type Group struct {
	What    string    // what they have in common
	Failing []Failing // the smallest first, which has the fewest statements
}

// Describe tells a group in a line, with where it was seen, if that is not empty.
func (g Group) Describe(where string) string {
	if where != "" {
		where = " on " + where
	}
	smallest := g.Failing[0]
	example := smallest.ID
	if len(g.Failing) > 1 {
		example = "smallest: " + example
	}
	if n := smallest.Lines(); n > 0 {
		example += " (" + plural(n, "line") + ")"
	}
	return fmt.Sprintf("%s%s: %s; %s", plural(len(g.Failing), "scenario"), where, g.What, example)
}

func plural(n int, thing string) string {
	if n != 1 {
		thing += "s"
	}
	return fmt.Sprintf("%d %s", n, thing)
}

// Summary tells what failures have in common, a line for each group. It is empty
// of fewer than two failures.
func Summary(failed []Failing, passed []Scenario) string {
	if len(failed) < 2 {
		return ""
	}
	groups := Groups(failed, passed)
	text := fmt.Sprintf("%d failures in %s:\n", len(failed), plural(len(groups), "group"))
	for _, g := range groups {
		text += "  " + g.Describe("") + "\n"
	}
	return text
}

// Groups sorts failures into groups, the largest first.
//
// Where the fake, behind a library that makes a certain mistake, fails scenarios in
// the very same way, and fails none of those that passed, the group is told by that
// mistake: "as if flags were left out (detach)". The others are told by what was
// expected and what came.
func Groups(failed []Failing, passed []Scenario) []Group {
	groups, rest := byMistake(failed, passed)
	return inOrder(append(groups, GroupBy(rest, func(f Failing) string { return difference(f.Failure) })...))
}

// GroupBy groups failures by what a function says of them, the largest group first.
func GroupBy(failed []Failing, what func(Failing) string) []Group {
	var groups []Group
	by := map[string]int{}
	for _, f := range failed {
		at, ok := by[what(f)]
		if !ok {
			at, by[what(f)] = len(groups), len(groups)
			groups = append(groups, Group{What: what(f)})
		}
		groups[at].Failing = append(groups[at].Failing, f)
	}
	return inOrder(groups)
}

// inOrder sorts groups by their size, and in each the failures by that of their
// scenarios.
func inOrder(groups []Group) []Group {
	for _, g := range groups {
		slices.SortStableFunc(g.Failing, func(a, b Failing) int {
			return cmp.Or(cmp.Compare(a.Lines(), b.Lines()), cmp.Compare(len(a.ID), len(b.ID)))
		})
	}
	slices.SortStableFunc(groups, func(a, b Group) int { return cmp.Compare(len(b.Failing), len(a.Failing)) })
	return groups
}
