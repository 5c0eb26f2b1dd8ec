package conformance

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/nkconform/nkconform/fake"
	"github.com/nkconform/nkconform/mprog"
	"github.com/nkconform/nkconform/trace"
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

// leastExplained is how many failures a mistake must explain to be told, those of a
// scenario on netkit and on tcx counted once.
const leastExplained = 2

func distinct(list []Failing) int {
	ids := map[string]bool{}
	for _, f := range list {
		ids[strings.TrimSuffix(f.ID, "-tcx")] = true
	}
	return len(ids)
}

// byMistake groups what mistakes explain, the one that explains the most first, and
// returns the rest.
func byMistake(failed []Failing, passed []Scenario) (groups []Group, rest []Failing) {
	why, likely := explanations(failed)
	held := map[explanation]bool{} // against what passed
	rest = failed
	for {
		var best []Failing
		what := ""
		for i, m := range mistakes {
			ops, explained := []string{}, []Failing(nil)
			for _, op := range m.ops {
				e := explanation{i, op}
				some := slices.DeleteFunc(slices.Clone(rest), func(f Failing) bool { return !slices.Contains(why[f.Failure], e) })
				if len(some) == 0 || !likely[e] {
					continue
				}
				if _, known := held[e]; !known {
					held[e] = !slices.ContainsFunc(passed, e.breaks)
				}
				if held[e] {
					ops, explained = append(ops, verbs[op]), append(explained, some...)
				}
			}
			if len(explained) > len(best) {
				best, what = explained, "as if "+m.as+" ("+strings.Join(ops, ", ")+")"
			}
		}
		if distinct(best) < leastExplained {
			return groups, rest
		}
		groups = append(groups, Group{What: what, Failing: best})
		rest = slices.DeleteFunc(slices.Clone(rest), func(f Failing) bool {
			return slices.ContainsFunc(best, func(g Failing) bool { return f.Failure == g.Failure })
		})
	}
}

// verbs are the statements that make a call.
var verbs = map[mprog.Op]string{
	mprog.OpProgAttach: "attach", mprog.OpProgDetach: "detach", mprog.OpProgQuery: "query",
	mprog.OpLinkCreate: "link", mprog.OpLinkUpdate: "link-update", mprog.OpLinkDetach: "link-detach",
}

// explanation is a mistake, by its index, in one operation.
type explanation struct {
	mistake int
	op      mprog.Op
}

// play plays a scenario on the fake behind a library that makes the mistake.
func (e explanation) play(s Scenario) Result {
	return Run(mistaken{fake.New(fake.Lacking(s.Trace)...), mistakes[e.mistake], e.op}, s)
}

// breaks says that the mistake fails a scenario.
func (e explanation) breaks(s Scenario) bool {
	return slices.ContainsFunc(s.Trace.Statements(), func(st *trace.Statement) bool { return st.Verb == verbs[e.op] }) &&
		e.play(s).Status == Failed
}

// explanations finds, of each failure, the mistakes that make the fake fail in the
// same way, where it fails by itself in none. A mistake is likely if most of the
// failures that it can be held against are so.
func explanations(failed []Failing) (why map[*Failure][]explanation, likely map[explanation]bool) {
	why, likely = map[*Failure][]explanation{}, map[explanation]bool{}
	balance := map[explanation]int{}
	for _, f := range failed {
		for _, e := range candidates(f) {
			switch r := e.play(f.Scenario); {
			case r.Failure == nil:
			case r.Failure.Line == f.Line && r.Failure.Came == f.Came:
				why[f.Failure] = append(why[f.Failure], e)
				balance[e]++
			default:
				balance[e]--
			}
			likely[e] = balance[e] > 0
		}
	}
	return why, likely
}

// candidates are the mistakes that change something about what the failing statement,
// or one like it, asks for.
func candidates(f Failing) (list []explanation) {
	verb := verbOf(f.Statement)
	for op, name := range verbs {
		if name != verb || f.Trace == nil || f.Came == "" {
			continue
		}
		var asked []mprog.AttachRequest
		watch := mistake{change: func(r *mprog.AttachRequest) { asked = append(asked, *r) }}
		if Run(mistaken{fake.New(fake.Lacking(f.Trace)...), watch, op}, f.Scenario).Status != Passed {
			return nil
		}
		for i, m := range mistakes {
			if slices.Contains(m.ops, op) && slices.ContainsFunc(asked, m.changes) {
				list = append(list, explanation{i, op})
			}
		}
	}
	return list
}

// verbOf is the verb of a statement, which may have a process in front.
func verbOf(statement string) string {
	words := strings.Fields(statement)
	if len(words) > 1 && strings.HasSuffix(words[0], ":") {
		words = words[1:]
	}
	if len(words) == 0 {
		return ""
	}
	return words[0]
}
