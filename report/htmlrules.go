package report

import (
	"fmt"
	"slices"
)

// pageGroups are the rules by folder, each with what every run shows of it.
func (r *Results) pageGroups(anchors map[runCase]string) []pageGroup {
	cases := make([]map[string]Case, len(r.Runs))
	rules := map[string]string{}
	for i, run := range r.Runs {
		cases[i] = map[string]Case{}
		for _, c := range run.Cases {
			cases[i][c.ID] = c
			if c.Rule != "" {
				rules[c.ID] = c.Rule
			}
		}
	}
	var groups []pageGroup
	for _, id := range r.ids() {
		if len(groups) == 0 || groups[len(groups)-1].Name != folder(id) {
			groups = append(groups, pageGroup{Name: folder(id)})
		}
		g := &groups[len(groups)-1]
		rule := pageRule{ID: id, Rule: rules[id]}
		var verdicts []Status
		for i, run := range r.Runs {
			c, ran := cases[i][id]
			rule.Cells = append(rule.Cells, cell(c, ran, anchors[runCase{run, id}]))
			if c.Status == Failed || c.Status == Known {
				rule.Bad = true
			}
			if ran && c.Status != Skipped && c.Status != NotRun && !slices.Contains(verdicts, c.Status) {
				verdicts = append(verdicts, c.Status)
			}
		}
		rule.Differs = len(verdicts) > 1
		g.Bad = g.Bad || rule.Bad
		g.Rules = append(g.Rules, rule)
	}
	for i := range groups {
		groups[i].sum(len(r.Runs))
	}
	return groups
}

// The marks of cells. They differ in shape, for readers who see no colours.
var marks = map[Status][2]string{
	Passed:  {"p", "✓"},
	Failed:  {"f", "✗"},
	Skipped: {"s", "–"},
	Known:   {"k", "≈"},
	NotRun:  {"n", "·"},
}

func cell(c Case, ran bool, anchor string) pageCell {
	if !ran {
		return pageCell{Class: "n", Title: "not run"}
	}
	m := marks[c.Status]
	p := pageCell{Class: m[0], Mark: m[1], Finding: anchor, Title: c.Reason}
	if c.Status == Failed {
		p.Title = "failed"
	}
	return p
}

// sum fills in what the group comes to on each kernel.
func (g *pageGroup) sum(kernels int) {
	g.Count = len(g.Rules)
	for i := range kernels {
		count := map[string]int{}
		for _, rule := range g.Rules {
			count[rule.Cells[i].Class]++
		}
		s := pageSum{Class: "p", Text: fmt.Sprint(count["p"])}
		switch {
		case count["f"] > 0:
			s.Class, s.Text = "f", fmt.Sprint(count["f"])
		case count["k"] > 0:
			s.Class, s.Text = "k", fmt.Sprint(count["k"])
		case count["p"] == 0 && count["s"] > 0:
			s.Class, s.Text = "s", "–"
		case count["p"] == 0:
			s.Class, s.Text = "n", ""
		}
		s.Title = fmt.Sprintf("%d passed, %d failed, %d skipped", count["p"], count["f"], count["s"])
		if count["n"] > 0 {
			s.Title += fmt.Sprintf(", %d not run", count["n"])
		}
		if count["k"] > 0 {
			s.Title += fmt.Sprintf(", %d known deviations", count["k"])
		}
		g.Sums = append(g.Sums, s)
	}
}
