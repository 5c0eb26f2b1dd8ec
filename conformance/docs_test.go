package conformance_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nkconform/nkconform"
	"github.com/nkconform/nkconform/conformance"
	"github.com/nkconform/nkconform/fake"
	"github.com/nkconform/nkconform/trace"
)

// block is a piece of a page that stands for itself: text, code, a comment.
type block struct {
	line int // of the page, from 1
	code bool
	text string
}

// blocks divides a page at its empty lines, but for those within fences.
func blocks(page string) (list []block) {
	fenced, open := false, false
	n := 0
	for line := range strings.Lines(page) {
		n++
		line = strings.TrimRight(line, "\n")
		switch {
		case strings.HasPrefix(line, "```"):
			fenced, open = !fenced, false
		case line == "" && !fenced:
			open = false
		default:
			indented, code := strings.CutPrefix(line, "    ")
			if fenced {
				indented, code = line, true
			}
			if !open {
				list = append(list, block{n, code, ""})
			}
			open = true
			list[len(list)-1].text += indented + "\n"
		}
	}
	return list
}

// isTrace says that code begins with a statement of the language.
func isTrace(text string) bool {
	for line := range strings.Lines(text) {
		if words := strings.Fields(line); len(words) > 0 && words[0][0] != '#' {
			if len(words) > 1 && strings.HasSuffix(words[0], ":") { // a process
				words = words[1:]
			}
			_, err := trace.Parse("", strings.Join(words, " "))
			// "for" begins statements of Go, too, and a word with a colon much else.
			return err == nil || words[0] != "for" && !strings.Contains(err.Error(), "unknown statement") &&
				!strings.Contains(err.Error(), "no process is called")
		}
	}
	return false
}

// stage begins a comment, in front of a block, that holds the statements which lead to
// it.
const stage = "<!-- stage: "

// Every trace that a page shows plays on the fake, behind the stage that a comment of
// the page sets.
func TestTracesOfPages(t *testing.T) {
	pages, err := filepath.Glob("../docs/*.md")
	require.NoError(t, err)
	played := 0
	for _, page := range append(pages, "../README.md") {
		text, err := os.ReadFile(page)
		require.NoError(t, err)
		before := ""
		for _, b := range blocks(strings.ReplaceAll(string(text), "\r\n", "\n")) {
			statements, staged := strings.CutPrefix(strings.TrimSpace(before), stage)
			if before = b.text; !b.code || !isTrace(b.text) {
				continue
			}
			lines := ""
			if staged {
				lines = strings.ReplaceAll(strings.TrimSuffix(statements, " -->"), "; ", "\n") + "\n"
			}
			name := fmt.Sprintf("%s:%d", filepath.Base(page), b.line)
			s, err := conformance.Parse(name, lines+b.text)
			require.NoError(t, err, "\n%s", lines+b.text)
			r := conformance.Run(fake.New(fake.Lacking(s.Trace)...), s)
			require.Equal(t, conformance.Passed, r.Status, "%s: %v\n%s", name, r.Failure, lines+b.text)
			played++
		}
	}
	require.Greater(t, played, 20)
}

// failure is a failure as the command shows it.
var failure = regexp.MustCompile(`(?m)^FAIL (\S+)\n     (.*)\n     line (\d+): (.*)\n       expected (.*)$`)

// Every failure that a page shows could be one: of a scenario that there is, by its
// rule, at a statement of that line, which expects what is shown.
func TestFailuresOfPages(t *testing.T) {
	pages, err := filepath.Glob("../docs/*.md")
	require.NoError(t, err)
	all, err := conformance.Load(nkconform.Scenarios())
	require.NoError(t, err)
	shown := 0
	for _, page := range append(pages, "../README.md") {
		text, err := os.ReadFile(page)
		require.NoError(t, err)
		for _, f := range failure.FindAllStringSubmatch(strings.ReplaceAll(string(text), "\r\n", "\n"), -1) {
			i := slices.IndexFunc(all, func(s conformance.Scenario) bool { return s.ID == f[1] })
			require.GreaterOrEqual(t, i, 0, "%s: %s", page, f[1])
			s := all[i]
			require.Equal(t, s.Rule, f[2], "%s: %s", page, f[1])
			line, err := strconv.Atoi(f[3])
			require.NoError(t, err)
			lines := strings.Split(s.Trace.String(), "\n")
			require.Less(t, line, len(lines), "%s: %s", page, f[1])
			require.Equal(t, f[4]+" "+f[5], strings.Join(strings.Fields(lines[line-1]), " "), "%s: %s", page, f[1])
			shown++
		}
	}
	require.NotZero(t, shown)
}
