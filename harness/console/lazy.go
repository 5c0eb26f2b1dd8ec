package console

import (
	"regexp"
	"sync"
)

// expression is a regular expression that is compiled when it is needed first: most
// commands read no console, and start sooner.
type expression struct{ compiled func() *regexp.Regexp }

func compile(text string) *expression {
	return &expression{sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(text) })}
}

func (e *expression) MatchString(s string) bool            { return e.compiled().MatchString(s) }
func (e *expression) FindStringSubmatch(s string) []string { return e.compiled().FindStringSubmatch(s) }
func (e *expression) FindStringSubmatchIndex(s string) []int {
	return e.compiled().FindStringSubmatchIndex(s)
}
