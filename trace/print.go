package trace

import "strings"

// answerColumn is where answers start, so that they stand below each other.
const answerColumn = 40

// String prints the file as Parse reads it: parsing the result gives the same
// file again.
func (f *File) String() string {
	var b strings.Builder
	for _, l := range f.Lines {
		if l.Statement != nil {
			b.WriteString(l.Statement.String())
			if l.Comment != "" {
				b.WriteString("  ")
			}
		}
		b.WriteString(l.Comment)
		b.WriteByte('\n')
	}
	return b.String()
}

// String prints the statement with its answer.
func (s *Statement) String() string {
	call := s.Call()
	answer := s.Answer.String()
	if answer == "" {
		return call
	}
	pad := max(1, answerColumn-1-len(call))
	return call + strings.Repeat(" ", pad) + answer
}

// Call prints the statement without its answer.
func (s *Statement) Call() string {
	var b strings.Builder
	if s.Process != "" {
		b.WriteString(s.Process + ": ")
	}
	b.WriteString(s.Verb)
	for _, o := range s.Operands {
		b.WriteByte(' ')
		b.WriteString(o)
	}
	for _, p := range s.Params {
		b.WriteByte(' ')
		b.WriteString(p.Key + "=" + p.Value)
	}
	return b.String()
}

// String prints the answer, or "" where none is written.
func (a Answer) String() string {
	if a.Any {
		return "?"
	}
	var parts []string
	for _, o := range a.Outcomes {
		parts = append(parts, o.String())
	}
	return strings.Join(parts, " | ")
}

// String prints the outcome with its = or !.
func (o Outcome) String() string {
	var parts []string
	if o.Errno != 0 {
		parts = append(parts, "!", o.Errno.String())
		if o.Rule != "" {
			parts = append(parts, string(o.Rule))
		}
	} else {
		parts = append(parts, "=")
	}
	for _, f := range o.Fields {
		parts = append(parts, f.Name, f.Value)
	}
	if o.Listed {
		entries := make([]string, len(o.List))
		for i, e := range o.List {
			entries[i] = e.String()
		}
		parts = append(parts, "["+strings.Join(entries, " ")+"]")
	}
	if len(parts) == 1 {
		parts = append(parts, "ok")
	}
	return strings.Join(parts, " ")
}

// String prints program or program@link.
func (e Entry) String() string {
	if e.Link == "" {
		return e.Prog
	}
	return e.Prog + "@" + e.Link
}
