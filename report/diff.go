package report

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// Change is a case that ended differently in two results, or in the same way
// with another answer.
type Change struct {
	Run    string `json:"run"`
	ID     string `json:"id,omitempty"` // without one the whole run came or went
	Before string `json:"before"`       // how it ended, "absent" without a case
	After  string `json:"after"`
	Detail string `json:"detail,omitempty"` // what the failure says now
}

// Diff tells what changed from one result to another. Runs are matched by
// name; the only run of each is matched whatever its name.
func Diff(before, after *Results) []Change {
	changes := []Change{}
	if len(before.Runs) == 1 && len(after.Runs) == 1 {
		name := after.Runs[0].Name
		if old := before.Runs[0].Name; old != name {
			name = old + " -> " + name
		}
		return diffRuns(name, before.Runs[0], after.Runs[0])
	}
	find := func(r *Results, name string) *Run {
		for _, run := range r.Runs {
			if run.Name == name {
				return run
			}
		}
		return nil
	}
	for _, b := range before.Runs {
		if find(after, b.Name) == nil {
			changes = append(changes, Change{Run: b.Name, Before: b.Count.String(), After: "absent"})
		}
	}
	for _, a := range after.Runs {
		b := find(before, a.Name)
		if b == nil {
			changes = append(changes, Change{Run: a.Name, Before: "absent", After: a.Count.String()})
			continue
		}
		changes = append(changes, diffRuns(a.Name, b, a)...)
	}
	return changes
}

func diffRuns(name string, before, after *Run) []Change {
	index := func(r *Run) map[string]Case {
		m := map[string]Case{}
		for _, c := range r.Cases {
			m[c.ID] = c
		}
		return m
	}
	b, a := index(before), index(after)
	var ids []string
	for id := range b {
		ids = append(ids, id)
	}
	for id := range a {
		if _, both := b[id]; !both {
			ids = append(ids, id)
		}
	}
	slices.SortFunc(ids, compareIDs)
	changes := []Change{}
	for _, id := range ids {
		if c, changed := diffCases(b, a, id); changed {
			c.Run = name
			changes = append(changes, c)
		}
	}
	return changes
}

func diffCases(before, after map[string]Case, id string) (Change, bool) {
	b, hadIt := before[id]
	a, hasIt := after[id]
	c := Change{ID: id, Before: "absent", After: "absent"}
	if hadIt {
		c.Before = string(b.Status)
	}
	if hasIt {
		c.After = string(a.Status)
	}
	if a.Failure != nil {
		c.Detail = a.Failure.String()
	}
	if c.Before != c.After {
		return c, true
	}
	if a.Failure == nil || b.Failure == nil || *a.Failure == *b.Failure {
		return c, false
	}
	c.After = "another way"
	c.Detail = "before:\n" + b.Failure.String() + "\nafter:\n" + c.Detail
	return c, true
}

// WriteChanges writes changes as text, those of many runs together, and how
// many there are at the end.
func WriteChanges(out io.Writer, changes []Change, style Style) error {
	type key struct{ id, before, after, detail string }
	runs := map[key][]string{}
	var order []key
	for _, c := range changes {
		k := key{c.ID, c.Before, c.After, c.Detail}
		if runs[k] == nil {
			order = append(order, k)
		}
		runs[k] = append(runs[k], c.Run)
	}
	var b strings.Builder
	for _, k := range order {
		code := yellow
		switch Status(k.after) {
		case Failed:
			code = red
		case Passed:
			code = green
		}
		on := strings.Join(runs[k], ", ")
		if k.id == "" {
			fmt.Fprintf(&b, "%s: %s, was %s\n", on, style.paint(code, k.after), k.before)
			continue
		}
		fmt.Fprintf(&b, "%s: %s, was %s, on %s\n", k.id, style.paint(code, k.after), k.before, on)
		for line := range strings.Lines(printable(k.detail)) {
			fmt.Fprintf(&b, "     %s\n", strings.TrimRight(line, "\n"))
		}
	}
	fmt.Fprintln(&b, plural(len(changes), "change"))
	_, err := io.WriteString(out, b.String())
	return err
}
