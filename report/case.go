package report

import (
	"slices"

	"github.com/nkconform/nkconform/conformance"
)

// Status is the end of a case.
type Status = conformance.Status

// Failure is the step that did not go as it must.
type Failure = conformance.Failure

// The ends that a case can have.
const (
	Passed  = conformance.Passed
	Failed  = conformance.Failed
	Skipped = conformance.Skipped
	// Known is a failure that is listed, with its reason, as a deviation that
	// this kernel is known for.
	Known Status = "known"
	// NotRun is not the kernel's answer: it or the suite had failed before.
	NotRun Status = "not run"
)

var statuses = []Status{Passed, Failed, Skipped, Known, NotRun}

// Case is the result of one scenario.
type Case struct {
	ID      string   `json:"id"`
	Rule    string   `json:"rule,omitempty"`
	Status  Status   `json:"status"`
	Reason  string   `json:"reason,omitempty"` // why skipped or not run, or why the deviation is known
	Failure *Failure `json:"failure,omitempty"`
	Trace   string   `json:"trace,omitempty"` // the scenario, of what failed or deviates
	Seconds float64  `json:"seconds"`
}

// NewCase is the case that the result of a scenario makes.
func NewCase(c conformance.Result) Case {
	return Case{
		ID: c.ID, Rule: c.Rule, Status: c.Status, Reason: c.Reason,
		Failure: c.Failure, Seconds: c.Took.Seconds(),
	}
}

// Finding is a failure with the runs that showed it in the same way.
type Finding struct {
	Case
	Runs []*Run
}

// runCase is a case of a run.
type runCase struct {
	run *Run
	id  string
}

// findings groups the cases of a status by what they show, in the order in
// which they come up.
func (r *Results) findings(s Status) []*Finding {
	type key struct {
		id, reason string
		failure    Failure
	}
	by := map[key]*Finding{}
	var list []*Finding
	for _, run := range r.Runs {
		for _, c := range run.Cases {
			if c.Status != s || c.Failure == nil {
				continue
			}
			k := key{c.ID, c.Reason, *c.Failure}
			if by[k] == nil {
				by[k] = &Finding{Case: c}
				list = append(list, by[k])
			}
			by[k].Runs = append(by[k].Runs, run)
		}
	}
	order := map[string]int{}
	for i, id := range r.ids() {
		order[id] = i
	}
	slices.SortStableFunc(list, func(a, b *Finding) int { return order[a.ID] - order[b.ID] })
	return list
}

// ids lists the ids of all runs' cases: those of the whole kernel first, the
// others sorted.
func (r *Results) ids() []string {
	seen := map[string]bool{}
	var list []string
	for _, run := range r.Runs {
		for _, c := range run.Cases {
			if !seen[c.ID] {
				seen[c.ID] = true
				list = append(list, c.ID)
			}
		}
	}
	slices.SortFunc(list, compareIDs)
	return list
}
