package picture

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/nkconform/nkconform/trace"
)

// Style is how a picture is written as text.
type Style struct {
	Color  bool // with the colours of terminals
	Checks bool // with the checks of every call, in the kernel's order
}

// column is where pictures start, so that they stand below each other.
const column = 44

// The colours: what is new, what is gone or refused, what is less important.
const (
	green, red, quiet = "32", "31", "2"
)

func (y Style) paint(color, text string) string {
	if !y.Color || text == "" {
		return text
	}
	return "\x1b[" + color + "m" + text + "\x1b[0m"
}

// Text writes a step: the statement and what came of it in one line, with more lines
// below it where more hooks changed or the checks are asked for.
func (y Style) Text(s *Step) string {
	if s.Line.Statement == nil {
		return y.paint(quiet, s.Line.Comment)
	}
	call := s.Line.Statement.Call()
	parts := y.outcome(s)
	var b strings.Builder
	b.WriteString(call)
	for i, part := range parts {
		pad := column - len(call)
		if i > 0 {
			b.WriteByte('\n')
			pad = column
		}
		b.WriteString(strings.Repeat(" ", max(2, pad)) + part)
	}
	if s.Line.Comment != "" {
		b.WriteString("  " + y.paint(quiet, s.Line.Comment))
	}
	if y.Checks {
		for _, c := range s.Checks {
			b.WriteString("\n" + y.check(c, s.Refusal))
		}
	}
	return b.String()
}

// outcome is what came of a step: a refusal, the changes of hooks, or the answer.
func (y Style) outcome(s *Step) []string {
	switch {
	case s.Refusal != nil:
		if answered := s.Answer.String(); strings.HasPrefix(answered, "! "+s.Refusal.Errno+" ") { // and wrote something
			return []string{y.paint(red, answered) + "  " + s.Refusal.words()}
		}
		return []string{y.paint(red, "! "+s.Refusal.Errno) + "  " + s.Refusal.words()}
	case s.Packet != nil:
		return []string{"= " + strings.TrimPrefix(s.Answer.String(), "= ") + ": " + s.Packet.End}
	}
	var list []string
	for _, c := range s.Changes {
		text := y.Change(c)
		if !names(s.Line.Statement, c.Hook) {
			text = c.Hook + " " + text
		}
		list = append(list, text)
	}
	if answer := s.Answer.String(); len(list) == 0 && answer != "" {
		list = append(list, answer)
	}
	return list
}

// names says whether a statement names the hook.
func names(s *trace.Statement, hook string) bool {
	for _, o := range s.Operands {
		if o == hook {
			return true
		}
	}
	return false
}

// words are the rule by which a call was refused, in plain words.
func (r *Refusal) words() string {
	if r.Rule == "" {
		return r.Found
	}
	return fmt.Sprintf("%s (%s)", r.Text, r.Rule)
}

// Change writes what happened to a hook: [a b] → [a *c b]  4→5. What is new has a star
// in front, what went a minus.
func (y Style) Change(c Change) string {
	text := y.list(c.Before) + " → " + y.list(c.After)
	switch {
	case c.Deleted:
		return y.list(c.Before) + " → " + y.paint(red, "gone with its "+c.Whose())
	case c.Runs:
		return "runs " + text
	case c.Filters:
		return text
	case c.From == c.To:
		return text + "  " + strconv.FormatUint(c.To, 10)
	}
	text += fmt.Sprintf("  %d→%d", c.From, c.To)
	if len(c.After) == 0 && c.To != 1 && !c.Cgroup {
		text += y.paint(quiet, ", a query says 1")
	}
	if c.Mode != "" {
		text += y.paint(quiet, ", mode "+c.Mode)
	}
	return text
}

// Whose says what a hook belongs to.
func (c Change) Whose() string {
	switch {
	case c.Filters:
		return "qdisc"
	case c.Cgroup:
		return "cgroup"
	}
	return "device"
}

func (y Style) list(entries []Entry) string {
	var words []string
	for _, e := range entries {
		word := trace.Entry{Prog: e.Prog, Link: e.Link}.String()
		switch {
		case e.New:
			word = y.paint(green, "*"+word)
		case e.Gone:
			word = y.paint(red, "-"+word)
		}
		words = append(words, word)
	}
	if len(words) > 12 { // a full hook
		rest := fmt.Sprintf("… %d more …", len(words)-10)
		words = append(append(words[:5:5], rest), words[len(words)-5:]...)
	}
	return "[" + strings.Join(words, " ") + "]"
}

func (y Style) check(c Check, r *Refusal) string {
	mark, rule := y.paint(green, "+"), c.Rule
	if !c.Passed {
		mark = y.paint(red, "!")
		if r != nil {
			rule += "  " + r.Errno
		}
	}
	pad := max(1, 71-len([]rune(c.Text)))
	return strings.TrimRight("    "+mark+" "+c.Text+strings.Repeat(" ", pad)+y.paint(quiet, rule), " ")
}

// Mistake writes what is wrong with a line: the line, the place marked below it, and
// what was expected there.
func (y Style) Mistake(line string, e *trace.Error) string {
	return line + "\n" + strings.Repeat(" ", max(0, e.Col-1)) + y.paint(red, "^ "+e.Msg)
}

// Hook writes a hook as it is: nk0:primary  [a b@l]  revision 4.
func (y Style) Hook(h Hook) string {
	text := fmt.Sprintf("%-16s %s", h.Name, y.list(h.Entries))
	if h.Filters {
		return text + "  filters of the qdisc"
	}
	text += "  revision " + strconv.FormatUint(h.Revision, 10)
	if h.Mode != "" {
		text += ", mode " + h.Mode
	}
	if !Same(h.Entries, h.Runs) && h.Cgroup != "" {
		text += ", runs " + y.list(h.Runs)
	}
	return text
}
