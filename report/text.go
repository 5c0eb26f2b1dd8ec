package report

import (
	"fmt"
	"io"
	"strings"

	"github.com/nkconform/nkconform/conformance"
)

// Style says how text looks.
type Style struct {
	Color   bool // for terminals
	Verbose bool // also name what passed
}

func (s Style) paint(code, text string) string {
	if !s.Color {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

func (r *Run) text(out io.Writer, style Style) error {
	var b strings.Builder
	for _, c := range r.Cases {
		c.text(&b, style)
	}
	fmt.Fprintf(&b, "%s on %s (%s)\n", r.Backend, r.Kernel.Release, r.Kernel.Machine)
	if r.Interrupted {
		b.WriteString("interrupted: not all scenarios have run\n")
	}
	code := "32"
	if r.Failed > 0 {
		code = "31"
	}
	b.WriteString(style.paint(code, r.Summary()) + "\n")
	_, err := io.WriteString(out, b.String())
	return err
}

func (c Case) text(b *strings.Builder, style Style) {
	switch c.Status {
	case conformance.Passed:
		if style.Verbose {
			fmt.Fprintf(b, "%s %s\n", style.paint("32", "pass"), c.ID)
		}
	case conformance.Skipped:
		fmt.Fprintf(b, "%s %s: %s\n", style.paint("33", "skip"), c.ID, c.Reason)
	case conformance.Failed:
		fmt.Fprintf(b, "%s %s\n", style.paint("31", "FAIL"), c.ID)
		fmt.Fprintf(b, "     %s\n", c.Rule)
		for _, line := range strings.Split((*conformance.Failure)(c.Failure).String(), "\n") {
			fmt.Fprintf(b, "     %s\n", line)
		}
	}
}
