package trace

import (
	"slices"
	"strings"

	"github.com/nkconform/nkconform/mprog"
)

// refused reports whether no outcome of the answer is a success.
func (a Answer) refused() bool {
	for _, o := range a.Outcomes {
		if o.Errno == 0 {
			return false
		}
	}
	return len(a.Outcomes) > 0
}

func (p *parser) answer(s *Statement, v verb) error {
	if p.peek().text == "" {
		return nil
	}
	if !v.answer {
		w := p.peek()
		return p.errorf(w.col, "%s: takes no answer, found %q", s.Verb, w.text)
	}
	if p.peek().text == "?" {
		p.next()
		s.Answer.Any = true
	} else if err := p.outcomes(s, v); err != nil {
		return err
	}
	if w := p.peek(); w.text != "" {
		return p.errorf(w.col, "%s: expected the end of the line, found %q", s.Verb, w.text)
	}
	return nil
}

func (p *parser) outcomes(s *Statement, v verb) error {
	for {
		w := p.next()
		if w.text != "=" && w.text != "!" {
			return p.errorf(w.col, "%s: expected = or !, found %s", s.Verb, found(w))
		}
		o, err := p.outcome(s, v, w.text == "!")
		if err != nil {
			return err
		}
		s.Answer.Outcomes = append(s.Answer.Outcomes, o)
		if p.peek().text != "|" {
			return nil
		}
		p.next()
	}
}

func (p *parser) outcome(s *Statement, v verb, refused bool) (o Outcome, err error) {
	if refused {
		w := p.next()
		errno, ok := mprog.ParseErrno(w.text)
		if !ok {
			return o, p.errorf(w.col, "%s: expected an errno such as ESTALE, found %s", s.Verb, found(w))
		}
		o.Errno = errno
		if w := p.peek(); isRule(w.text) {
			o.Rule = mprog.Rule(p.next().text)
		}
	} else if p.peek().text == "ok" {
		p.next()
		return o, nil
	}
	start := p.peek()
	for {
		w := p.peek()
		switch {
		case w.text == "" || w.text == "|":
			if !refused && !o.Listed && o.Fields == nil {
				return o, p.errorf(start.col, "%s: expected ok%s, found %s", s.Verb, v.expects(), found(start))
			}
			return o, nil
		case w.text == "[":
			if !v.list || o.Listed {
				return o, p.errorf(w.col, "%s: a list is not expected here", s.Verb)
			}
			if o.List, err = p.list(); err != nil {
				return o, err
			}
			o.Listed = true
		default:
			if !slices.Contains(v.fields, w.text) {
				return o, p.errorf(w.col, "%s: expected ok%s, found %q", s.Verb, v.expects(), w.text)
			}
			if _, twice := o.Field(w.text); twice {
				return o, p.errorf(w.col, "%s: %s is given twice", s.Verb, w.text)
			}
			p.next()
			value := p.next()
			if !isValue(value.text) {
				return o, p.errorf(value.col, "%s: expected the value of %s, found %s", s.Verb, w.text, found(value))
			}
			o.Fields = append(o.Fields, Field{w.text, value.text})
		}
	}
}

// isRule reports whether a word can be the id of a rule: detach/owned-by-link.
func isRule(s string) bool {
	return strings.Contains(s, "/") && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-/") == ""
}

// isValue reports whether a word can be the value of an answer's field.
func isValue(s string) bool {
	_, attachType := mprog.ParseAttachType(s)
	_, err := ParseProgType(s)
	return IsName(s) || attachType || err == nil || isDecimal(s) || isNumbers(s)
}

// isDecimal reports whether s is a number of up to 64 bits, as revisions are.
func isDecimal(s string) bool {
	return s != "" && len(s) <= 20 && strings.Trim(s, "0123456789") == ""
}

// expects lists what may stand in the verb's answer.
func (v verb) expects() string {
	s := ""
	for _, f := range v.fields {
		s += ", " + f
	}
	if v.list {
		s += ", a list in brackets"
	}
	return s
}

// list reads [a b@l p1..p9]. Entries need not be declared: a kernel may answer
// with an id that nothing in the trace has.
func (p *parser) list() ([]Entry, error) {
	p.next()
	list := []Entry{}
	for {
		w := p.next()
		switch w.text {
		case "]":
			return list, nil
		case "":
			return nil, p.errorf(w.col, "expected ] at the end of the list, found %s", found(w))
		}
		prog, link, owned := strings.Cut(w.text, "@")
		if err := p.entry(word{prog, w.col}, newProg); err != nil {
			return nil, err
		}
		if owned {
			if err := p.entry(word{link, w.col + len(prog) + 1}, newLink); err != nil {
				return nil, err
			}
		}
		list = append(list, Entry{prog, link})
	}
}

func (p *parser) entry(w word, k kind) error {
	if w.text == "" {
		return p.errorf(w.col, "expected the name of a %s", k.declared())
	}
	return p.references(w, k)
}
