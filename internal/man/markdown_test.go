package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/spf13/cobra/doc"
)

// What --help shows, the page shows.
func TestTextStaysAsItIs(t *testing.T) {
	c := command{Use: "play", Short: "Play", Long: `Globs such as 'a/*/b*' and $SOME_VARIABLE_NAME stay, <so> does this.

Columns:
  one    the first
  second the *second*
Then a line, and the end.`}
	var page bytes.Buffer
	if err := doc.GenMan(c.cobra(), &doc.GenManHeader{Section: "1"}, &page); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"'a/*/b*'", "$SOME_VARIABLE_NAME", "<so>", "\n  one    the first\n  second the *second*\n"} {
		if !strings.Contains(strings.ReplaceAll(page.String(), `\&`, ""), want) { // of no width
			t.Errorf("no %q in:\n%s", want, &page)
		}
	}
}
