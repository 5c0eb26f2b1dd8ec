package reproducer

import (
	_ "embed"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/nkconform/nkconform/conformance"
)

//go:embed text/prelude.c
var preludeText string

var prelude = sync.OnceValue(func() []block { return split(preludeText) })

//go:embed text/main.c
var mainFunction string

// ErrUnsaid is wrapped by the error for a trace that has no form in C here.
var ErrUnsaid = errors.New("cannot be said in C")

// C returns a program that plays scenarios, each in namespaces of its own. An error
// wraps [ErrUnsaid] and names the statement.
func C(scenarios ...conformance.Scenario) (string, error) {
	var body strings.Builder
	table := "static const struct { const char *name; void (*play)(void); } traces[] = {\n"
	for i, s := range scenarios {
		play := fmt.Sprintf("play_%d", i+1)
		text, err := function(play, s)
		if err != nil {
			return "", fmt.Errorf("%s: %w", s.ID, err)
		}
		body.WriteString(text + "\n")
		table += fmt.Sprintf("\t{ %s, %s },\n", quote(s.ID), play)
	}
	own := body.String() + table + "};\n" + mainFunction
	return head(scenarios) + used(prelude(), own) + own, nil
}

// head says what the program is.
func head(scenarios []conformance.Scenario) string {
	var b strings.Builder
	b.WriteString("/*\n")
	if len(scenarios) == 1 {
		for line := range strings.Lines(scenarios[0].Rule) {
			b.WriteString(" * " + strings.TrimSuffix(line, "\n") + "\n")
		}
		b.WriteString(" *\n")
	}
	b.WriteString(" * Written by nkconform trace c. As root, in namespaces of its own:\n" +
		" *	cc -o reproducer FILE.c && ./reproducer     (-v tells each call)\n */\n")
	return b.String()
}

// quote writes a string as C has it.
func quote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}
