package conformance

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/nkconform/nkconform/fake"
	"github.com/nkconform/nkconform/mprog"
	"github.com/nkconform/nkconform/trace"
)

// A refusal of a trace may name its rule behind the errno. The fake has to refuse by that
// rule; of whoever else fails there, the rule is told.

// ruleOf returns the rule by which a call was refused, "" where the environment does not
// say.
func ruleOf(err error) mprog.Rule {
	if e := (*mprog.Error)(nil); errors.As(err, &e) {
		return e.Rule
	}
	return ""
}

// namesRule reports whether an answer names a rule for an errno.
func namesRule(a trace.Answer, errno mprog.Errno) bool {
	return slices.ContainsFunc(a.Outcomes, func(o trace.Outcome) bool { return o.Rule != "" && o.Errno == errno })
}

// rulesOf tells the rules that an answer names, a line each.
func rulesOf(a trace.Answer) (lines []string) {
	for _, o := range a.Outcomes {
		if o.Rule != "" {
			rule, _ := ruleByID(o.Rule)
			lines = append(lines, fmt.Sprintf("%s: %s", o.Rule, rule.Text))
		}
	}
	return lines
}

func ruleByID(id mprog.Rule) (fake.RuleInfo, bool) {
	for _, r := range fake.Rules() {
		if r.ID == id {
			return r, true
		}
	}
	return fake.RuleInfo{}, false
}

// checkRules says which rule that a trace names is none, or has another errno.
func checkRules(name, text string, f *trace.File) error {
	for _, s := range f.Statements() {
		for _, o := range s.Answer.Outcomes {
			if o.Rule == "" {
				continue
			}
			rule, known := ruleByID(o.Rule)
			if known && rule.Errno == o.Errno {
				continue
			}
			msg := fmt.Sprintf("%s: no rule has the id %q", s.Verb, o.Rule)
			if known {
				msg = fmt.Sprintf("%s: by rule %s the errno is %s, not %s", s.Verb, o.Rule, rule.Errno, o.Errno)
			}
			lines := strings.Split(text, "\n")
			return &trace.Error{File: name, Line: s.Line, Col: strings.Index(lines[s.Line-1], string(o.Rule)) + 1, Msg: msg}
		}
	}
	return nil
}
