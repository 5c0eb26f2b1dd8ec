package report

import (
	"slices"
	"strings"

	"github.com/nkconform/nkconform"
	"github.com/nkconform/nkconform/conformance"
	"github.com/nkconform/nkconform/trace"
)

// Group is cases that fail, or deviate as is known, for what looks like one reason.
type Group struct {
	Status    Status   `json:"status"` // failed or known
	What      string   `json:"what"`   // what they have in common; of known deviations the reason
	Scenarios int      `json:"scenarios"`
	Runs      []string `json:"runs"`  // that show at least one of them
	Cases     []string `json:"cases"` // ids, the smallest scenario first
	Lines     int      `json:"lines"` // of the smallest, 0 where it is not at hand

	Where string `json:"-"` // the runs in words, "" where there is only one
	Text  string `json:"-"` // the group in a line

	findings []*Finding // the smallest first
}

// groups are those of scenarios, the failed ones first and the largest first. What is
// said of a kernel as a whole is in none.
func (r *Results) groups() []Group {
	failed, known := r.failing(Failed), r.failing(Known)
	return append(r.described(Failed, failed, conformance.Groups(failed.list, r.passed())),
		r.described(Known, known, conformance.GroupBy(known.list, func(f conformance.Failing) string { return known.of[f.Failure].Reason }))...)
}

// failing are findings as package conformance groups them, and which is which.
type failing struct {
	list []conformance.Failing
	of   map[*Failure]*Finding
}

func (r *Results) failing(s Status) failing {
	f := failing{of: map[*Failure]*Finding{}}
	for _, finding := range r.findings(s) {
		if finding.whole() {
			continue
		}
		failure := *finding.Failure // cases may share one
		f.of[&failure] = finding
		f.list = append(f.list, conformance.Failing{Scenario: finding.scenario(), Failure: &failure})
	}
	return f
}

// described are groups as they are told.
func (r *Results) described(s Status, f failing, groups []conformance.Group) []Group {
	list := make([]Group, len(groups))
	for i, g := range groups {
		d := Group{Status: s, What: g.What, Lines: g.Failing[0].Lines()}
		shown := map[*Run]bool{}
		for _, one := range g.Failing {
			finding := f.of[one.Failure]
			d.findings = append(d.findings, finding)
			if !slices.Contains(d.Cases, one.ID) {
				d.Cases = append(d.Cases, one.ID)
			}
			for _, run := range finding.Runs {
				shown[run] = true
			}
		}
		var runs []*Run
		for _, run := range r.Runs {
			if shown[run] {
				runs, d.Runs = append(runs, run), append(d.Runs, run.Name)
			}
		}
		d.Scenarios = len(d.Cases)
		d.Where = r.where(runs)
		d.Text = g.Describe(d.Where)
		list[i] = d
	}
	return list
}

// whole says that a finding is of the kernel as a whole.
func (f *Finding) whole() bool { return strings.HasPrefix(f.ID, wholeKernel) }

// scenario is that of a finding, with its trace if the case has it.
func (f *Finding) scenario() conformance.Scenario {
	s := conformance.Scenario{ID: f.ID, Rule: f.Rule}
	if t, err := trace.Parse(f.ID, f.Trace); err == nil && f.Trace != "" {
		s.Trace = t
	}
	return s
}

// passed are scenarios of the suite that passed wherever something failed.
func (r *Results) passed() []conformance.Scenario {
	failing, times := 0, map[string]int{}
	for _, run := range r.Runs {
		if run.Failed == 0 {
			continue
		}
		failing++
		for _, c := range run.Cases {
			if c.Status == Passed {
				times[c.ID+"\n"+c.Rule]++
			}
		}
	}
	if failing == 0 {
		return nil
	}
	all, err := conformance.Load(nkconform.Scenarios())
	if err != nil {
		return nil
	}
	return slices.DeleteFunc(all, func(s conformance.Scenario) bool { return times[s.ID+"\n"+s.Rule] < failing })
}
