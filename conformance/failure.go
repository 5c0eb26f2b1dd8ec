package conformance

import (
	"fmt"
	"strings"
)

// Failure is the first step of a scenario that did not go as it must.
type Failure struct {
	Line      int    `json:"line,omitempty"`      // of the scenario's file, 0 when no step is to blame
	Statement string `json:"statement,omitempty"` // without its answer
	Expected  string `json:"expected,omitempty"`
	Came      string `json:"came,omitempty"`
	Detail    string `json:"detail,omitempty"` // what the environment said of its refusal, or what else went wrong
}

// String tells the failure in a few lines.
func (f *Failure) String() string {
	var parts []string
	if f.Line > 0 {
		parts = append(parts, fmt.Sprintf("line %d: %s", f.Line, f.Statement))
	}
	if f.Expected != "" {
		parts = append(parts, "  expected "+f.Expected, "  came     "+f.Came)
	}
	detail := strings.TrimSuffix(f.Detail, "\n")
	if detail != "" && len(parts) > 0 {
		detail = "  " + detail
	}
	if detail != "" {
		parts = append(parts, detail)
	}
	return strings.Join(parts, "\n")
}
