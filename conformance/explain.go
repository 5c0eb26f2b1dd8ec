package conformance

import (
	"slices"
	"strings"

	"github.com/nkconform/nkconform/fake"
	"github.com/nkconform/nkconform/mprog"
	"github.com/nkconform/nkconform/trace"
)

// leastExplained is how many failures a mistake must explain to be told, those of a
// scenario on several hooks counted once.
const leastExplained = 2

func distinct(list []Failing) int {
	ids := map[string]bool{}
	for _, f := range list {
		ids[trace.WithoutHook(f.ID)] = true
	}
	return len(ids)
}

// byMistake groups what mistakes explain, the one that explains the most first, and
// returns the rest.
func byMistake(failed []Failing, passed []Scenario) (groups []Group, rest []Failing) {
	ruled := slices.ContainsFunc(failed, func(f Failing) bool { return len(strings.Fields(f.Came)) == 3 && f.Came[0] == '!' })
	why, likely := explanations(failed, ruled)
	held := map[explanation]bool{} // against what passed
	rest = failed
	for {
		var best []Failing
		what := ""
		for i, m := range mistakes {
			ops, explained := []string{}, []Failing(nil)
			for _, op := range m.ops {
				e := explanation{i, op, ruled}
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
	ruled   bool // what fails says its rules, and fails by one alone
}

// play plays a scenario on the fake behind a library that makes the mistake.
func (e explanation) play(s Scenario) Result {
	return Run(mistaken{fake.New(fake.Lacking(s.Trace)...), mistakes[e.mistake], e.op, e.ruled}, s)
}

// breaks says that the mistake fails a scenario.
func (e explanation) breaks(s Scenario) bool {
	return slices.ContainsFunc(s.Trace.Statements(), func(st *trace.Statement) bool { return st.Verb == verbs[e.op] }) &&
		e.play(s).Status == Failed
}

// explanations finds, of each failure, the mistakes that make the fake fail in the
// same way, where it fails by itself in none. A mistake is likely if most of the
// failures that it can be held against are so.
func explanations(failed []Failing, ruled bool) (why map[*Failure][]explanation, likely map[explanation]bool) {
	type step struct {
		id, came string
		line     int
	}
	seen := map[step][2][]explanation{} // many kernels may fail alike
	why, likely = map[*Failure][]explanation{}, map[explanation]bool{}
	balance := map[explanation]int{}
	for _, f := range failed {
		key := step{f.ID, f.Came, f.Line}
		found, ok := seen[key]
		if !ok {
			found[0], found[1] = explain(f, ruled)
			seen[key] = found
		}
		why[f.Failure] = found[0]
		for _, e := range found[0] {
			balance[e]++
		}
		for _, e := range found[1] {
			balance[e]--
		}
	}
	for e, n := range balance {
		likely[e] = n > 0
	}
	return why, likely
}

// explain finds the mistakes that make the fake fail in the same way, and those that
// make it fail in another.
func explain(f Failing, ruled bool) (same, other []explanation) {
	for _, e := range candidates(f, ruled) {
		switch r := e.play(f.Scenario); {
		case r.Failure == nil:
		case r.Failure.Line == f.Line && r.Failure.Came == f.Came:
			same = append(same, e)
		default:
			other = append(other, e)
		}
	}
	return same, other
}

// candidates are the mistakes that change something about what the failing statement,
// or one like it, asks for.
func candidates(f Failing, ruled bool) (list []explanation) {
	verb := verbOf(f.Statement)
	for op, name := range verbs {
		if name != verb || f.Trace == nil || f.Came == "" {
			continue
		}
		var asked []mprog.AttachRequest
		watch := mistake{change: func(r *mprog.AttachRequest) { asked = append(asked, *r) }}
		if Run(mistaken{fake.New(fake.Lacking(f.Trace)...), watch, op, ruled}, f.Scenario).Status != Passed {
			return nil
		}
		for i, m := range mistakes {
			if slices.Contains(m.ops, op) && slices.ContainsFunc(asked, m.changes) {
				list = append(list, explanation{i, op, ruled})
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
