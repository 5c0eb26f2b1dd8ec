package trace

import "strings"

// Reader reads a trace line by line: what one declares, those behind it may name.
type Reader struct {
	p     parser
	words []word // whose memory each line uses again
}

// NewReader returns a reader of a trace with no line yet. Its name is for errors.
func NewReader(name string) *Reader {
	return &Reader{p: parser{name: name, declared: map[string]kind{"lo": newDevice}}}
}

// Line reads the next line. The error is an *Error; then the line declares nothing.
func (r *Reader) Line(text string) (l Line, err error) {
	p := &r.p
	p.line++
	text = strings.TrimSuffix(text, "\r")
	r.words, l.Comment = scanLine(r.words[:0], text)
	if len(r.words) == 0 {
		return l, nil
	}
	p.words, p.end = r.words, len(text)+1
	l.Statement, err = p.statement()
	return l, err
}

// Refused is for a statement that turned out to be refused, although its line did not
// say so: what it would have made can be declared again.
func (r *Reader) Refused(s *Statement) {
	for _, name := range s.declares() {
		delete(r.p.declared, name)
	}
}

// declares lists the names that a statement declares.
func (s *Statement) declares() (names []string) {
	v := verbs[s.Verb]
	for i, word := range s.Operands {
		if v.operands[min(i, len(v.operands)-1)].declared() == "" || word == "" {
			continue
		}
		if more, err := Expand(word); err == nil {
			names = append(names, more...)
		}
	}
	return names
}

// Declared reports whether a name stands for something.
func (r *Reader) Declared(name string) bool { return r.p.declared[name] != 0 }
