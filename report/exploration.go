package report

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"maps"
	"slices"
	"strings"
)

// Exploration is what exploring programs came to; its JSON form has these names.
type Exploration struct {
	Complete bool             `json:"complete"`      // everything was explored
	Cut      string           `json:"cut,omitempty"` // why not
	Agents   []ExploredAgent  `json:"agents"`
	Runs     int              `json:"runs"`
	Started  int              `json:"started"` // how often the programs were started
	States   int              `json:"states"`
	Calls    int              `json:"calls"`
	Depth    int              `json:"depth"` // the most calls of a run
	Seconds  float64          `json:"seconds"`
	Findings []Counterexample `json:"findings"`
}

// ExploredAgent is a program.
type ExploredAgent struct {
	Name    string `json:"name"`
	Command string `json:"command"`
	Crashes int    `json:"crashes"` // how often it may be killed
}

// Counterexample is a run that breaks an invariant.
type Counterexample struct {
	Invariant string     `json:"invariant"`
	Text      string     `json:"text"`            // what is there instead
	Schedule  string     `json:"schedule"`        // for --replay
	Cycle     int        `json:"cycle,omitempty"` // how many steps at the end repeat for ever
	Steps     []LaneStep `json:"steps"`
	Trace     string     `json:"trace"` // what was asked of the kernel
	Output    string     `json:"output,omitempty"`
}

// LaneStep is what an agent did, and what the hooks look like behind it.
type LaneStep struct {
	Agent  string            `json:"agent"`
	Call   string            `json:"call"` // or "killed"
	Answer string            `json:"answer,omitempty"`
	Hooks  map[string]string `json:"hooks"`
}

// HookLines are the hooks in order, a line each.
func (s LaneStep) HookLines() (lines []string) {
	for _, name := range slices.Sorted(maps.Keys(s.Hooks)) {
		lines = append(lines, name+" "+s.Hooks[name])
	}
	return lines
}

// WriteText writes the exploration for a terminal.
func (x *Exploration) WriteText(out io.Writer) error {
	var b strings.Builder
	for _, f := range x.Findings {
		x.writeLanes(&b, &f)
	}
	if x.Complete {
		b.WriteString("explored completely: ")
	} else {
		fmt.Fprintf(&b, "not explored completely (%s): ", x.Cut)
	}
	fmt.Fprintf(&b, "%d runs, %d states, %d calls, at most %d in a run; programs were started for %d runs, in %.1f s\n",
		x.Runs, x.States, x.Calls, x.Depth, x.Started, x.Seconds)
	_, err := io.WriteString(out, b.String())
	return err
}

// writeLanes draws a finding as columns, one an agent.
func (x *Exploration) writeLanes(b *strings.Builder, f *Counterexample) {
	fmt.Fprintf(b, "broken: %s: %s\n", f.Invariant, f.Text)
	width := 12
	for _, s := range f.Steps {
		width = max(width, len(s.Call)+len(s.Answer)+4)
	}
	width = min(width, 56)
	for _, a := range x.Agents {
		fmt.Fprintf(b, "  %-*s", width, a.Name)
	}
	b.WriteString("  hooks\n")
	for _, s := range f.Steps {
		for _, a := range x.Agents {
			text := "|"
			if a.Name == s.Agent {
				text = s.Call
				if s.Answer != "" {
					text += ": " + s.Answer
				}
			}
			fmt.Fprintf(b, "  %-*s", width, text)
		}
		fmt.Fprintf(b, "  %s\n", strings.Join(s.HookLines(), ", "))
	}
	if f.Cycle > 0 {
		fmt.Fprintf(b, "the last %d steps repeat for ever\n", f.Cycle)
	}
	fmt.Fprintf(b, "again: --replay '%s'\n", f.Schedule)
}

//go:embed page/exploration.html
var explorationPage string

var explorationTemplate = template.Must(template.New("exploration").Funcs(template.FuncMap{
	"style": func() template.CSS { return template.CSS(pageFile("page/style.css")) },
}).Parse(explorationPage))

// WriteHTML writes the exploration as a page that needs nothing else.
func (x *Exploration) WriteHTML(out io.Writer) error {
	if err := explorationTemplate.Execute(out, x); err != nil {
		return fmt.Errorf("write page: %w", err)
	}
	return nil
}
