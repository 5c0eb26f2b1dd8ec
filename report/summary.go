package report

import (
	"fmt"
	"io"
	"strings"
)

// maxSummary keeps a summary below what CI systems take.
const maxSummary = 900 << 10

// summary writes Markdown: a line for each kernel, then what failed.
func (r *Results) summary(out io.Writer) error {
	var b strings.Builder
	mark := "✅"
	if !r.OK() {
		mark = "❌"
	}
	fmt.Fprintf(&b, "### %s nkconform: %s\n\n", mark, r.Count())
	if r.Interrupted {
		b.WriteString("**Interrupted:** not all scenarios have run.\n\n")
	}
	known, notRun := r.Count().Known > 0, r.Count().NotRun > 0
	head, rule := "| | Kernel | Release | Machine | Boot | Suite | Total | Passed | Failed | Skipped |", "|---|---|---|---|--:|--:|--:|--:|--:|--:|"
	if notRun {
		head, rule = head+" Not run |", rule+"--:|"
	}
	if known {
		head, rule = head+" Known |", rule+"--:|"
	}
	fmt.Fprintf(&b, "%s\n%s\n", head, rule)
	for _, o := range r.rows() {
		mark, name := "✅", cellText(o.Name)
		if !o.OK {
			mark = "❌"
		}
		if o.Note != "" {
			name += "<br>" + cellText(o.Note)
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s | %s | %d | %d | %d |",
			mark, name, cellText(o.Release), cellText(o.Machine), o.Boot, o.Suite, o.Total, o.Passed, o.Failed, o.Skipped)
		if notRun {
			fmt.Fprintf(&b, " %d |", o.NotRun)
		}
		if known {
			fmt.Fprintf(&b, " %d |", o.Known)
		}
		b.WriteString("\n")
	}
	groups := r.groups()
	if len(groups) > 0 {
		b.WriteString("\n| | Scenarios | What they have in common | Smallest | On |\n|---|--:|---|---|---|\n")
	}
	for _, g := range groups {
		fmt.Fprintf(&b, "| %s | %d | %s | %s | %s |\n", marked(g.Status), g.Scenarios, cellText(g.What), cellText(g.Cases[0]), cellText(strings.Join(g.Runs, ", ")))
	}
	left := 0
	add := func(text string) {
		if b.Len()+len(text) > maxSummary {
			left++
			return
		}
		b.WriteString(text)
	}
	for _, status := range []Status{Failed, Known} {
		for _, f := range r.findings(status) {
			if f.whole() {
				add(r.markdown(f))
			}
		}
	}
	for _, g := range groups {
		add(r.markdown(g.findings[0]))
		add(g.markdown())
	}
	if left > 0 {
		fmt.Fprintf(&b, "\n%d more deviations are left out here.\n", left)
	}
	_, err := io.WriteString(out, b.String())
	return err
}

// marked is the mark of what deviates.
func marked(s Status) string {
	if s == Known {
		return "≈"
	}
	return "❌"
}

// markdown names the cases of a group but for the smallest.
func (g Group) markdown() string {
	others := g.Cases[1:]
	if len(others) == 0 {
		return ""
	}
	return fmt.Sprintf("\n<details><summary>%s %d more: %s</summary>\n\n%s\n\n</details>\n",
		marked(g.Status), len(others), htmlText(g.What), cellText(strings.Join(others, ", ")))
}

// markdown writes a finding that unfolds.
func (r *Results) markdown(f *Finding) string {
	var b strings.Builder
	fmt.Fprintf(&b, "\n<details><summary>%s <code>%s</code> on %s</summary>\n\n", marked(f.Status), htmlText(f.ID), htmlText(r.names(f.Runs)))
	if f.Rule != "" {
		fmt.Fprintf(&b, "%s\n\n", cellText(f.Rule))
	}
	if f.Status == Known {
		fmt.Fprintf(&b, "Known: %s\n\n", cellText(f.Reason))
	}
	text := f.Failure.String()
	if f.Trace != "" {
		text += "\n\n" + strings.TrimRight(f.Trace, "\n")
	}
	fence := "```"
	for strings.Contains(text, fence) {
		fence += "`"
	}
	fmt.Fprintf(&b, "%s\n%s\n%s\n\n</details>\n", fence, text, fence)
	return b.String()
}

// htmlText and cellText quote text for HTML and for a cell of a table, so that
// what a kernel or a file says cannot be taken for markup.
func htmlText(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(s)
}

func cellText(s string) string {
	return strings.NewReplacer("|", "\\|", "\n", " ", "`", "\\`", "*", "\\*", "_", "\\_").Replace(htmlText(s))
}
