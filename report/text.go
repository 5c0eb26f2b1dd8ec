package report

import (
	"fmt"
	"io"
	"strings"
)

// Style says how text looks.
type Style struct {
	Color   bool // for terminals
	Verbose bool // name also what passed, and every case that was skipped
}

const (
	red    = "31"
	green  = "32"
	yellow = "33"
	dim    = "2"
)

func (s Style) paint(code, text string) string {
	if !s.Color {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// text writes what is worth knowing, the verdict last.
func (r *Results) text(out io.Writer, style Style) error {
	var b strings.Builder
	if style.Verbose {
		for _, run := range r.Runs {
			run.verbose(&b, style, len(r.Runs) > 1)
		}
	}
	for _, f := range r.findings(Known) {
		fmt.Fprintf(&b, "%s %s%s\n     %s\n", style.paint(yellow, "known"), f.ID, r.on(f), printable(f.Reason))
		if style.Verbose {
			f.Failure.text(&b)
		}
	}
	if !style.Verbose {
		r.skips(&b, style)
	}
	for _, f := range r.findings(Failed) {
		fmt.Fprintf(&b, "%s %s%s\n", style.paint(red, "FAIL"), f.ID, r.on(f))
		if f.Rule != "" {
			fmt.Fprintf(&b, "     %s\n", printable(f.Rule))
		}
		f.Failure.text(&b)
	}
	if len(r.Runs) == 1 {
		r.Runs[0].closing(&b)
	} else {
		r.table(&b, style)
	}
	if r.Interrupted {
		b.WriteString("interrupted: not all scenarios have run\n")
	}
	count, code := r.Count(), green
	if !r.OK() {
		code = red
	}
	if count.Known > 0 {
		fmt.Fprintf(&b, "%s\n", plural(count.Known, "known deviation"))
	}
	b.WriteString(style.paint(code, count.String()) + "\n")
	_, err := io.WriteString(out, b.String())
	return err
}

// text writes the failure below the case that it is of.
func (f *Failure) text(b *strings.Builder) {
	for line := range strings.Lines(printable(f.String())) {
		fmt.Fprintf(b, "     %s\n", strings.TrimRight(line, "\n"))
	}
}

// plural writes a number of things.
func plural(n int, thing string) string {
	if n != 1 {
		thing += "s"
	}
	return fmt.Sprintf("%d %s", n, thing)
}

// on names the runs that a finding is of, if there could be others.
func (r *Results) on(f *Finding) string {
	if len(r.Runs) == 1 {
		return ""
	}
	return " on " + r.names(f.Runs)
}

// names lists runs in few words.
func (r *Results) names(runs []*Run) string {
	if len(runs) == len(r.Runs) && len(runs) > 2 {
		return fmt.Sprintf("all %d kernels", len(runs))
	}
	names := make([]string, len(runs))
	for i, run := range runs {
		names[i] = run.Name
	}
	return strings.Join(names, ", ")
}

// skips tells how many cases were skipped for which reason. A word is enough
// where a table follows.
func (r *Results) skips(b *strings.Builder, style Style) {
	if len(r.Runs) != 1 {
		return
	}
	count := map[string]int{}
	var reasons []string
	for _, c := range r.Runs[0].Cases {
		if c.Status != Skipped {
			continue
		}
		if count[c.Reason]++; count[c.Reason] == 1 {
			reasons = append(reasons, c.Reason)
		}
	}
	for _, reason := range reasons {
		fmt.Fprintf(b, "%s %d: %s\n", style.paint(yellow, "skip"), count[reason], printable(reason))
	}
}

func (run *Run) verbose(b *strings.Builder, style Style, named bool) {
	name := ""
	if named {
		name = style.paint(dim, run.Name+" ")
	}
	for _, c := range run.Cases {
		switch c.Status {
		case Passed:
			fmt.Fprintf(b, "%s %s%s\n", style.paint(green, "pass"), name, c.ID)
		case Skipped:
			fmt.Fprintf(b, "%s %s%s: %s\n", style.paint(yellow, "skip"), name, c.ID, printable(c.Reason))
		}
	}
}

// closing names the kernel of a single run.
func (run *Run) closing(b *strings.Builder) {
	b.WriteString(run.Name)
	if run.Kernel.Release != "" {
		fmt.Fprintf(b, " on %s", run.Kernel.Release)
	}
	if run.Kernel.Machine != "" {
		fmt.Fprintf(b, " (%s)", run.Kernel.Machine)
	}
	if vm := run.VM; vm != nil {
		fmt.Fprintf(b, ", %s: boot %.1f s, suite %.1f s, total %.1f s", vm.kind(), vm.Boot, run.Seconds, vm.Total)
	}
	if again := run.VM.boots(); again != "" {
		b.WriteString(", " + again)
	}
	b.WriteString("\n")
	if run.Stopped != "" {
		fmt.Fprintf(b, "stopped: %s\n", printable(run.Stopped))
	}
}
