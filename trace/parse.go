package trace

import (
	"errors"
	"fmt"
	"slices"
	"sort"
	"strconv"
	"strings"

	"github.com/nkconform/nkconform/mprog"
)

// Error is a mistake in the text of a trace.
type Error struct {
	File      string
	Line, Col int // from 1
	Msg       string
}

// Error returns for example
// "stale.trace:3:8: unknown hook type ...".
func (e *Error) Error() string {
	return fmt.Sprintf("%s:%d:%d: %s", e.File, e.Line, e.Col, e.Msg)
}

// Parse reads a trace. The error is every mistake found, joined, each an
// *Error.
func Parse(name, text string) (*File, error) {
	r := NewReader(name)
	file := &File{Name: name}
	if text == "" {
		return file, nil
	}
	var errs []error
	for line := range strings.SplitSeq(strings.TrimSuffix(text, "\n"), "\n") {
		l, err := r.Line(line)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		file.Lines = append(file.Lines, l)
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	return file, nil
}

// parser reads one line after the other.
type parser struct {
	name     string
	declared map[string]kind
	line     int
	words    []word // what is left of the line
	end      int    // column behind the line
}

func (p *parser) errorf(col int, format string, args ...any) error {
	return &Error{p.name, p.line, col, fmt.Sprintf(format, args...)}
}

// peek returns the next word, or an empty one at the end of the line.
func (p *parser) peek() word {
	if len(p.words) == 0 {
		return word{"", p.end}
	}
	return p.words[0]
}

func (p *parser) next() word {
	w := p.peek()
	if len(p.words) > 0 {
		p.words = p.words[1:]
	}
	return w
}

func isAnswer(w word) bool { return w.text == "=" || w.text == "!" || w.text == "?" }

func (p *parser) statement() (*Statement, error) {
	s := &Statement{Line: p.line}
	if w := p.peek(); strings.HasSuffix(w.text, ":") {
		s.Process = strings.TrimSuffix(p.next().text, ":")
		if err := p.named(word{s.Process, w.col}, newProcess); err != nil {
			return nil, err
		}
	}
	w := p.next()
	v, ok := verbs[w.text]
	if !ok {
		return nil, p.errorf(w.col, "unknown statement %q%s", w.text, oneOf(keys(verbs)))
	}
	if s.Process != "" && !v.call {
		return nil, p.errorf(w.col, "%s is no system call: a process cannot make it", w.text)
	}
	s.Verb = w.text
	var declares []string
	for i := 0; ; i++ {
		w := p.peek()
		if w.text == "" || isAnswer(w) || strings.Contains(w.text, "=") {
			if i < len(v.operands)-v.optional {
				return nil, p.errorf(w.col, "%s: expected %s, found %s", s.Verb, v.operands[i], found(w))
			}
			break
		}
		if i >= len(v.operands) && !v.repeated {
			return nil, p.errorf(w.col, "%s: expected key=value or an answer (=, ! or ?), found %q", s.Verb, w.text)
		}
		k := v.operands[min(i, len(v.operands)-1)]
		names, err := p.value(k, w)
		if err != nil {
			return nil, err
		}
		for _, n := range names {
			if slices.Contains(declares, n) {
				return nil, p.errorf(w.col, "%q is declared twice", n)
			}
			declares = append(declares, n)
		}
		s.Operands = append(s.Operands, p.next().text)
	}
	if err := p.params(s, v); err != nil {
		return nil, err
	}
	for i, n := range declares { // a link's own answer names it
		p.declared[n] = v.operands[min(i, len(v.operands)-1)]
	}
	if err := p.answer(s, v); err != nil {
		return nil, err
	}
	if s.Answer.refused() { // the name stays free
		for _, n := range declares {
			delete(p.declared, n)
		}
	}
	return s, nil
}

func (p *parser) params(s *Statement, v verb) error {
	for {
		w := p.peek()
		key, value, ok := strings.Cut(w.text, "=")
		if w.text == "" || isAnswer(w) {
			return nil
		}
		if !ok {
			return p.errorf(w.col, "%s: expected key=value or an answer (=, ! or ?), found %q", s.Verb, w.text)
		}
		k, known := v.params[key]
		if !known {
			return p.errorf(w.col, "%s: unknown key %q%s", s.Verb, key, oneOf(keys(v.params)))
		}
		if _, twice := s.Param(key); twice {
			return p.errorf(w.col, "%s: %s is given twice", s.Verb, key)
		}
		if _, err := p.value(k, word{value, w.col + len(key) + 1}); err != nil {
			return err
		}
		s.Params = append(s.Params, Param{key, value})
		if _, fd := s.Param("relative_fd"); fd {
			if _, id := s.Param("relative_id"); id {
				return p.errorf(w.col, "%s: relative_fd and relative_id are the same field: give one", s.Verb)
			}
		}
		p.next()
	}
}

// value checks a word, and returns the names that it declares.
func (p *parser) value(k kind, w word) (declares []string, err error) {
	switch k {
	case newDevice, newProg, newLink, newObject, newNetns, newProcess, newCgroup:
		return p.declaration(k, w)
	case device:
		return nil, p.reference(w, newDevice)
	case id:
		name, _, err := SplitID(w.text)
		if err != nil {
			return nil, p.errorf(w.col, "%v", err)
		}
		return nil, p.reference(word{name, w.col}, newProg, newLink, newObject)
	case fd:
		return nil, p.reference(w, newProg, newLink, newObject, newCgroup)
	case fds:
		return nil, p.references(w, newProg, newLink, newObject, newCgroup)
	case netns:
		return nil, p.named(w, newNetns)
	case cgroup:
		return nil, p.reference(w, newCgroup, newObject, newProg, newLink)
	case hooks:
		_, err = parseHookKind(w.text)
	case attachType:
		_, err = ParseAttachType(w.text)
	case process:
		return nil, p.named(w, newProcess)
	case hook:
		dev, typ, err := SplitHook(w.text)
		if err != nil {
			return nil, p.errorf(w.col, "%v", err)
		}
		if typ.Cgroup() { // whatever has a number is no fd of a cgroup
			return nil, p.reference(word{dev, w.col}, newCgroup, newObject, newProg, newLink, newDevice)
		}
		return nil, p.reference(word{dev, w.col}, newDevice)
	case feature:
		var known []string
		for _, f := range mprog.Features {
			known = append(known, string(f))
		}
		if name, _ := ParseNeed(w.text); !slices.Contains(known, string(name)) {
			return nil, p.errorf(w.col, "unknown feature %q%s", w.text, oneOf(known))
		}
		return nil, nil
	case path:
		if !strings.HasPrefix(w.text, "/") {
			err = fmt.Errorf("expected a path that begins with /, found %q", w.text)
		}
	case mode:
		_, err = ParseMode(w.text)
	case policy:
		_, err = ParsePolicy(w.text)
	case capabilities:
		_, err = ParseCapabilities(w.text)
	case flags:
		_, err = mprog.ParseFlags(w.text)
	case u32, s32:
		_, err = ParseNumber(w.text)
	case u16:
		_, err = ParseNumber16(w.text)
	case nlFlags:
		_, err = mprog.ParseNLFlags(w.text)
	case qdiscKind:
		_, err = ParseQdiscKind(w.text)
	case u64:
		if _, e := strconv.ParseUint(w.text, 0, 64); e != nil {
			err = fmt.Errorf("expected a number of 64 bits, found %q", w.text)
		}
	case progType:
		_, err = ParseProgType(w.text)
	case null, array:
		if w.text != k.String() {
			err = fmt.Errorf("expected %s, found %q", k, w.text)
		}
	}
	if err != nil {
		return nil, p.errorf(w.col, "%v", err)
	}
	return nil, nil
}

func (p *parser) declaration(k kind, w word) ([]string, error) {
	names := []string{w.text}
	if k == newProg {
		var err error
		if names, err = Expand(w.text); err != nil {
			return nil, p.errorf(w.col, "%v", err)
		}
	}
	for _, n := range names {
		if !IsName(n) {
			return nil, p.errorf(w.col, "expected %s (a letter, then at most 14 letters, digits, - or _), found %q", k, n)
		}
		if old, ok := p.declared[n]; ok {
			return nil, p.errorf(w.col, "%q is taken, by %s: what is new has another name", n, strings.NewReplacer("the name of a new ", "a ", "a new name for ", "").Replace(old.String()))
		}
	}
	return names, nil
}

// reference checks that a word is a number or names something of one of the
// kinds.
func (p *parser) reference(w word, kinds ...kind) error {
	if !IsName(w.text) {
		if _, err := ParseNumber(w.text); err != nil {
			return p.errorf(w.col, "expected %s or a number, found %q", kinds[0].declared(), w.text)
		}
		return nil
	}
	return p.named(w, kinds...)
}

// named checks that a word names something of one of the kinds.
func (p *parser) named(w word, kinds ...kind) error {
	if !slices.Contains(kinds, p.declared[w.text]) {
		return p.undeclared(w.col, w.text, kinds)
	}
	return nil
}

// references is reference for a word that may be a range.
func (p *parser) references(w word, kinds ...kind) error {
	names, err := Expand(w.text)
	if err != nil {
		return p.errorf(w.col, "%v", err)
	}
	for _, n := range names {
		if err := p.reference(word{n, w.col}, kinds...); err != nil {
			return err
		}
	}
	return nil
}

func (p *parser) undeclared(col int, name string, kinds []kind) error {
	var known []string
	for n, k := range p.declared {
		if slices.Contains(kinds, k) {
			known = append(known, n)
		}
	}
	var what []string
	for i, k := range kinds {
		if k != newObject && (k != newCgroup || i == 0) { // which is one of the others, or hardly meant
			what = append(what, k.declared())
		}
	}
	return p.errorf(col, "no %s is called %q%s", strings.Join(what, " or "), name, oneOf(known))
}

func keys[V any](m map[string]V) []string {
	var list []string
	for k := range m {
		list = append(list, k)
	}
	return list
}

func found(w word) string {
	if w.text == "" {
		return "the end of the line"
	}
	return strconv.Quote(w.text)
}

// oneOf says what could have been meant.
func oneOf(known []string) string {
	if len(known) == 0 {
		return ""
	}
	sort.Strings(known)
	if len(known) > 40 {
		known = append(known[:40:40], "...")
	}
	return ": expected one of " + strings.Join(known, ", ")
}
