// Package report holds the results of running scenarios on kernels as values,
// and writes them as text, JSON, JUnit XML, a job summary and an HTML page.
// docs/report-schema.md describes the JSON form.
package report

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"
)

// Schema is the version of the JSON form of [Results]. It grows when a field
// changes its meaning or goes away.
const Schema = 2

// oldest is the first version of it that can be read: in 1, cases that had not run were
// skipped.
const oldest = 1

// Results is what scenarios showed on one kernel or on many.
type Results struct {
	Schema  int       `json:"schema"`
	Started time.Time `json:"started,omitzero"`
	Seconds float64   `json:"seconds"` // from start to end, boots and all
	// Interrupted says that the work was ended before all of it was done.
	Interrupted bool   `json:"interrupted,omitempty"`
	Runs        []*Run `json:"runs"`
}

// New returns results that hold the runs.
func New(runs ...*Run) *Results {
	return &Results{Schema: Schema, Runs: append([]*Run{}, runs...)} // an array also of none
}

// Count holds how many cases ended in which way.
type Count struct {
	Passed  int `json:"passed"`
	Failed  int `json:"failed"`
	Skipped int `json:"skipped"`
	Known   int `json:"known,omitempty"` // deviations that are known
	NotRun  int `json:"not_run,omitempty"`
}

func (c *Count) add(s Status) {
	switch s {
	case Passed:
		c.Passed++
	case Failed:
		c.Failed++
	case Skipped:
		c.Skipped++
	case Known:
		c.Known++
	case NotRun:
		c.NotRun++
	}
}

// String is the line that ends a run.
func (c Count) String() string {
	s := fmt.Sprintf("%d passed, %d failed, %d skipped", c.Passed, c.Failed, c.Skipped)
	if c.NotRun > 0 {
		s += fmt.Sprintf(", %d not run", c.NotRun)
	}
	return s
}

// Count sums up all runs.
func (r *Results) Count() Count {
	var sum Count
	for _, run := range r.Runs {
		sum.Passed += run.Passed
		sum.Failed += run.Failed
		sum.Skipped += run.Skipped
		sum.Known += run.Known
		sum.NotRun += run.NotRun
	}
	return sum
}

// OK says that everything was done and nothing failed.
func (r *Results) OK() bool {
	return !r.Interrupted && !slices.ContainsFunc(r.Runs, func(run *Run) bool { return !run.OK() })
}

// Decode reads the JSON form. The error says what is wrong with it.
func Decode(in io.Reader) (*Results, error) {
	var r Results
	d := json.NewDecoder(in)
	if err := d.Decode(&r); errors.Is(err, io.EOF) {
		return nil, errors.New("decode results: there are none")
	} else if err != nil {
		return nil, fmt.Errorf("decode results: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("decode results: something follows them: one file holds one object")
	}
	if r.Schema < oldest || r.Schema > Schema {
		return nil, fmt.Errorf("decode results: schema %d, expected %d to %d", r.Schema, oldest, Schema)
	}
	r.Schema = Schema
	for i, run := range r.Runs {
		if run == nil || run.Name == "" {
			return nil, fmt.Errorf("decode results: run %d has no name", i)
		}
		seen := map[string]bool{}
		for j, c := range run.Cases {
			if c.ID == "" || !slices.Contains(statuses, c.Status) {
				return nil, fmt.Errorf("decode results: run %s: case %d has id %q and status %q", run.Name, j, c.ID, c.Status)
			}
			if seen[c.ID] {
				return nil, fmt.Errorf("decode results: run %s: a second case %s", run.Name, c.ID)
			}
			seen[c.ID] = true
			if (c.Status == Failed || c.Status == Known) && c.Failure == nil {
				return nil, fmt.Errorf("decode results: run %s: case %s %s without a failure", run.Name, c.ID, c.Status)
			}
		}
		run.Cases = append([]Case{}, run.Cases...)
		run.Recount() // what is counted here need not be believed
	}
	return &r, nil
}

// Merge puts the results of several machines, or of several shards, into one.
// Runs that share a name are told apart by a number.
func Merge(parts ...*Results) *Results {
	all := New()
	taken := map[string]int{}
	for _, p := range parts {
		if all.Started.IsZero() || !p.Started.IsZero() && p.Started.Before(all.Started) {
			all.Started = p.Started
		}
		all.Seconds = max(all.Seconds, p.Seconds) // they may have run at once
		all.Interrupted = all.Interrupted || p.Interrupted
		for _, run := range p.Runs {
			taken[run.Name]++
			if n := taken[run.Name]; n > 1 {
				again := *run
				again.Name = fmt.Sprintf("%s (%d)", run.Name, n)
				run = &again
			}
			all.Runs = append(all.Runs, run)
		}
	}
	return all
}

func (r *Results) json(out io.Writer) error {
	e := json.NewEncoder(out)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(struct {
		*Results
		Groups []Group `json:"groups"`
	}{r, r.groups()})
}
