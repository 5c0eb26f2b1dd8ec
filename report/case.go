package report

import (
	"fmt"
	"slices"

	"github.com/nkconform/nkconform/conformance"
)

// Status is the end of a case.
type Status = conformance.Status

// The ends that a case can have.
const (
	Passed  = conformance.Passed
	Failed  = conformance.Failed
	Skipped = conformance.Skipped
	// Known is a failure that is listed, with its reason, as a deviation that
	// this kernel is known for.
	Known Status = "known"
)

var statuses = []Status{Passed, Failed, Skipped, Known}

// Case is the result of one scenario.
type Case struct {
	ID      string   `json:"id"`
	Rule    string   `json:"rule,omitempty"`
	Status  Status   `json:"status"`
	Reason  string   `json:"reason,omitempty"` // why skipped, or why the deviation is known
	Failure *Failure `json:"failure,omitempty"`
	Trace   string   `json:"trace,omitempty"` // the scenario, of what failed or deviates
	Seconds float64  `json:"seconds"`
}

// NewCase is the case that the result of a scenario makes.
func NewCase(c conformance.Result) Case {
	return Case{
		ID: c.ID, Rule: c.Rule, Status: c.Status, Reason: c.Reason,
		Failure: newFailure(c.Failure), Seconds: c.Took.Seconds(),
	}
}

// Failure is the step that did not go as it must.
type Failure struct {
	Line      int    `json:"line,omitempty"` // of the trace, 0 when no step is to blame
	Statement string `json:"statement,omitempty"`
	Expected  string `json:"expected,omitempty"`
	Came      string `json:"came,omitempty"`
	Detail    string `json:"detail,omitempty"`
}

func newFailure(f *conformance.Failure) *Failure {
	if f == nil {
		return nil
	}
	return &Failure{Line: f.Line, Statement: f.Statement, Expected: f.Expected, Came: f.Came, Detail: f.Detail}
}

// String tells the failure in a few lines.
func (f *Failure) String() string {
	var s string
	if f.Line > 0 {
		s = fmt.Sprintf("line %d: %s\n", f.Line, f.Statement)
	}
	if f.Expected != "" {
		s += fmt.Sprintf("  expected %s\n  came     %s\n", f.Expected, f.Came)
	}
	if f.Detail != "" && s != "" {
		s += "  "
	}
	s += f.Detail
	if n := len(s); n > 0 && s[n-1] == '\n' {
		s = s[:n-1]
	}
	return s
}

// Finding is a failure with the runs that showed it in the same way.
type Finding struct {
	Case
	Runs []*Run
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
