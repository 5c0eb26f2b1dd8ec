package report

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/nkconform/nkconform/conformance"
)

// Style says how text looks.
type Style struct {
	Color   bool // for terminals
	Verbose bool // tell every failure, and name what passed and every case that was skipped
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

// text writes what is worth knowing, the verdict last. Of a group of failures the
// smallest is told, unless all are asked for.
func (r *Results) text(out io.Writer, style Style) error {
	var b strings.Builder
	if style.Verbose {
		for _, run := range r.Runs {
			run.verbose(&b, style, len(r.Runs) > 1)
		}
	}
	groups := r.groups()
	r.known(&b, groups, style)
	if !style.Verbose {
		r.skips(&b, style)
	}
	failed := slices.DeleteFunc(groups, func(g Group) bool { return g.Status != Failed })
	failures := 0
	for _, f := range r.findings(Failed) {
		if style.Verbose || f.whole() {
			r.fail(&b, f, style)
		}
	}
	for _, g := range failed {
		failures += len(g.findings)
		if !style.Verbose {
			r.fail(&b, g.findings[0], style)
			b.WriteString(g.others())
		}
	}
	if failures > 1 {
		fmt.Fprintf(&b, "%s of failures:\n", plural(len(failed), "group"))
		for _, g := range failed {
			fmt.Fprintf(&b, "  %s\n", printable(g.Text))
		}
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

// known writes a line for each reason of known deviations or, if all are asked for,
// each of them.
func (r *Results) known(b *strings.Builder, groups []Group, style Style) {
	for _, g := range groups {
		if g.Status == Known && !style.Verbose {
			fmt.Fprintf(b, "%s %s\n", style.paint(yellow, "known"), printable(g.Text))
		}
	}
	for _, f := range r.findings(Known) {
		if style.Verbose || f.whole() {
			fmt.Fprintf(b, "%s %s%s\n     %s\n", style.paint(yellow, "known"), f.ID, r.on(f), printable(f.Reason))
			tell(b, f.Failure)
		}
	}
}

// fail writes a failure with the case that it is of.
func (r *Results) fail(b *strings.Builder, f *Finding, style Style) {
	fmt.Fprintf(b, "%s %s%s\n", style.paint(red, "FAIL"), f.ID, r.on(f))
	if f.Rule != "" {
		fmt.Fprintf(b, "     %s\n", printable(f.Rule))
	}
	tell(b, f.Failure)
}

// maxOthers is how many failures of a group are named besides the one that is told.
const maxOthers = 3

// others names the cases of a group but for the first.
func (g Group) others() string {
	others := g.Cases[1:]
	if len(others) == 0 {
		return ""
	}
	named := strings.Join(others[:min(len(others), maxOthers)], ", ")
	if more := len(others) - maxOthers; more > 0 {
		named += fmt.Sprintf(" and %d more: -v tells all", more)
	}
	return "     likewise " + named + "\n"
}

// tell writes a failure below the case that it is of.
func tell(b *strings.Builder, f *Failure) {
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

// where names runs, if there could be others.
func (r *Results) where(runs []*Run) string {
	if len(r.Runs) == 1 {
		return ""
	}
	return r.names(runs)
}

// on is where a finding is, behind its name.
func (r *Results) on(f *Finding) string {
	if where := r.where(f.Runs); where != "" {
		return " on " + where
	}
	return ""
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

// skips tells how many cases were skipped for which reason, whatever the numbers in
// it. A word is enough
// where a table follows.
func (r *Results) skips(b *strings.Builder, style Style) {
	if len(r.Runs) != 1 {
		return
	}
	count := map[string]int{}
	var reasons []string
	for _, c := range r.Runs[0].Cases {
		if c.Status != Skipped && c.Status != NotRun {
			continue
		}
		reason := conformance.General(c.Reason)
		if count[reason]++; count[reason] == 1 {
			reasons = append(reasons, reason)
		}
	}
	slices.SortStableFunc(reasons, func(a, b string) int { return count[b] - count[a] })
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
		case Skipped, NotRun:
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
