// Package report holds the results of a run as values, and writes them as
// text, JSON and JUnit XML.
package report

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/nkconform/nkconform/conformance"
)

// Schema is the version of the JSON form of [Run]. It grows when a field
// changes its meaning or goes away.
const Schema = 1

// Run is the result of running scenarios on one kernel.
type Run struct {
	Schema  int     `json:"schema"`
	Backend string  `json:"backend"` // fake, host, or vm:IMAGE
	Kernel  Kernel  `json:"kernel"`
	Passed  int     `json:"passed"`
	Failed  int     `json:"failed"`
	Skipped int     `json:"skipped"`
	Seconds float64 `json:"seconds"` // of the suite, without the boot of a machine
	Cases   []Case  `json:"cases"`
	// Interrupted says that the run was ended before all scenarios had run.
	Interrupted bool `json:"interrupted,omitempty"`
}

// Kernel names what answered.
type Kernel struct {
	Release string `json:"release"` // uname -r, or what the fake models
	Machine string `json:"machine"` // uname -m, or "simulated"
}

// Case is the result of one scenario.
type Case struct {
	ID      string             `json:"id"`
	Rule    string             `json:"rule"`
	Status  conformance.Status `json:"status"`
	Reason  string             `json:"reason,omitempty"` // why skipped
	Failure *Failure           `json:"failure,omitempty"`
	Seconds float64            `json:"seconds"`
}

// Failure is the step that did not go as it must.
type Failure struct {
	Line      int    `json:"line,omitempty"`
	Statement string `json:"statement,omitempty"`
	Expected  string `json:"expected,omitempty"`
	Came      string `json:"came,omitempty"`
	Detail    string `json:"detail,omitempty"`
}

// Add appends a result and counts it.
func (r *Run) Add(c conformance.Result) {
	switch c.Status {
	case conformance.Passed:
		r.Passed++
	case conformance.Failed:
		r.Failed++
	case conformance.Skipped:
		r.Skipped++
	}
	r.Seconds += c.Took.Seconds()
	r.Cases = append(r.Cases, Case{
		ID: c.ID, Rule: c.Rule, Status: c.Status, Reason: c.Reason,
		Failure: (*Failure)(c.Failure), Seconds: c.Took.Seconds(),
	})
}

// Summary is the line that ends a run.
func (r *Run) Summary() string {
	return fmt.Sprintf("%d passed, %d failed, %d skipped", r.Passed, r.Failed, r.Skipped)
}

// Decode reads the JSON form. The error says what is wrong with it.
func Decode(in io.Reader) (*Run, error) {
	var r Run
	if err := json.NewDecoder(in).Decode(&r); err != nil {
		return nil, fmt.Errorf("decode results: %w", err)
	}
	if r.Schema != Schema {
		return nil, fmt.Errorf("decode results: schema %d, expected %d", r.Schema, Schema)
	}
	return &r, nil
}

// Format names a way of writing a run.
type Format string

// The formats.
const (
	Text  Format = "text"
	JSON  Format = "json"
	JUnit Format = "junit"
)

// Write writes the run in a format.
func (r *Run) Write(out io.Writer, f Format, style Style) error {
	switch f {
	case Text:
		return r.text(out, style)
	case JSON:
		e := json.NewEncoder(out)
		e.SetIndent("", "  ")
		e.SetEscapeHTML(false)
		return e.Encode(r)
	case JUnit:
		return r.junit(out)
	}
	return fmt.Errorf("unknown format %q: expected text, json or junit", f)
}
