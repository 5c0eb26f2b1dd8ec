package conformance

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/nkconform/nkconform/fake"
	"github.com/nkconform/nkconform/mprog"
)

// Select returns the scenarios that match at least one pattern, or all of
// them without patterns. A pattern is a prefix of ids, a glob as in
// path.Match for an id or for the folders that it begins with, or, if it is
// neither, a prefix of ids of rules (docs/semantics.md), for the scenarios that
// show them.
// A pattern that matches nothing is an error.
func Select(all []Scenario, patterns ...string) ([]Scenario, error) {
	if len(patterns) == 0 {
		return all, nil
	}
	chosen := make([]bool, len(all))
	for _, p := range patterns {
		hits, err := match(all, p)
		if err != nil {
			return nil, err
		}
		for i, hit := range hits {
			chosen[i] = chosen[i] || hit
		}
	}
	var list []Scenario
	for i, s := range all {
		if chosen[i] {
			list = append(list, s)
		}
	}
	return list, nil
}

// match says of each scenario whether it matches a pattern, which at least one does.
func match(all []Scenario, pattern string) ([]bool, error) {
	hits := make([]bool, len(all))
	for i, s := range all {
		var err error
		if hits[i], err = matches(pattern, s.ID); err != nil {
			return nil, fmt.Errorf("pattern %q: %w", pattern, err)
		}
	}
	if slices.Contains(hits, true) {
		return hits, nil
	}
	known := false
	for _, b := range fake.Behaviours() {
		if strings.HasPrefix(string(b.ID), pattern) {
			for i, s := range all {
				hits[i] = hits[i] || strings.HasPrefix(s.ID, b.Scenarios)
			}
			known = true
		}
	}
	if slices.ContainsFunc(fake.Rules(), func(r fake.RuleInfo) bool { return strings.HasPrefix(string(r.ID), pattern) }) {
		for i, s := range all {
			hits[i] = hits[i] || shows(s, pattern)
		}
		known = true
	}
	switch {
	case slices.Contains(hits, true):
		return hits, nil
	case known:
		return nil, fmt.Errorf("none of the %d scenarios shows the rule %s", len(all), pattern)
	}
	if list := near(all, pattern); len(list) > 0 {
		return nil, fmt.Errorf("pattern %q matches none of the %d scenarios, and no rule has that id: perhaps %s",
			pattern, len(all), strings.Join(list, " or "))
	}
	return nil, fmt.Errorf("pattern %q matches none of the %d scenarios, and no rule has that id: ids begin with %s",
		pattern, len(all), strings.Join(folders(all), ", "))
}

func matches(pattern, id string) (bool, error) {
	if strings.HasPrefix(id, pattern) {
		return true, nil
	}
	for p := id; p != "."; p = path.Dir(p) {
		if ok, err := path.Match(pattern, p); ok || err != nil {
			return ok, err
		}
	}
	return false, nil
}

// shows says that a call of a scenario is refused by a rule whose id begins so, on the
// newest kernel. What is asked about hooks between the calls does not count.
func shows(s Scenario, rule string) bool {
	k := fake.New(fake.Lacking(s.Trace)...)
	queries := false
	for _, st := range s.Trace.Statements() {
		queries = queries || st.Verb == "query"
	}
	found := false
	k.Observe(func(e *fake.Event) {
		refusal := e.Refusal()
		found = found || refusal != nil && strings.HasPrefix(string(refusal.Rule), rule) && (queries || e.Op != mprog.OpProgQuery)
	})
	return Run(k, s).Status == Passed && found
}

// folders lists the first parts of the ids.
func folders(all []Scenario) []string {
	var list []string
	for _, s := range all {
		first, _, _ := strings.Cut(s.ID, "/")
		if len(list) == 0 || list[len(list)-1] != first {
			list = append(list, first)
		}
	}
	return list
}

// maxNear is how many ids are told that may be meant.
const maxNear = 3

// near lists the ids of scenarios, of their folders and of rules that differ from a
// word in few letters, the nearest first.
func near(all []Scenario, word string) []string {
	distance := map[string]int{}
	add := func(id string) {
		if abbreviates(word, id) {
			distance[id] = 0
		} else if d := letters(id, strings.TrimSuffix(word, "/")); d <= max(1, len(word)/4) {
			distance[id] = d
		}
	}
	for _, s := range all {
		for p := s.ID; p != "."; p = path.Dir(p) {
			add(p)
		}
	}
	for _, r := range fake.Rules() {
		add(string(r.ID))
	}
	for _, b := range fake.Behaviours() {
		add(string(b.ID))
	}
	var list []string
	for id := range distance {
		list = append(list, id)
	}
	slices.SortFunc(list, func(a, b string) int { return cmp.Or(cmp.Compare(distance[a], distance[b]), cmp.Compare(a, b)) })
	return list[:min(len(list), maxNear)]
}

// abbreviates says that each part of an id begins with that of a word.
func abbreviates(word, id string) bool {
	short, long := strings.Split(word, "/"), strings.Split(id, "/")
	return slices.EqualFunc(short, long, func(a, b string) bool { return a != "" && strings.HasPrefix(b, a) })
}

// letters is how many letters must be put in, taken out or replaced to make one word
// of another (Levenshtein's distance).
func letters(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		last := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := last
			if a[i] != b[j] {
				change++
			}
			last = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
