package page

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nkconform/nkconform/internal/picture"
)

var update = flag.Bool("update", false, "write fake/testdata/pictures.md, which docs/semantics.md has a copy of")

// pictures is a section of docs/semantics.md: the lessons as text, each with its solution.
const pictures = "../../fake/testdata/pictures.md"

// go test ./internal/page -run Pictures -update, then go test ./fake -run Semantics -update
func TestPictures(t *testing.T) {
	want := picturesText(t)
	if *update {
		require.NoError(t, os.WriteFile(pictures, []byte(want), 0o644))
	}
	got, err := os.ReadFile(pictures)
	require.NoError(t, err)
	require.Equal(t, want, strings.ReplaceAll(string(got), "\r\n", "\n"), "run go test ./internal/page -run Pictures -update")
}

func picturesText(t *testing.T) string {
	var b strings.Builder
	b.WriteString("## In pictures\n\n" +
		"What calls do to a hook's list, as `nkconform explain` shows it: the list before and after, what is new with a star, what went with a minus, and\n" +
		"the revision's step. These are the lessons of the page that `nkconform explain --html page.html` writes, each with a solution of its task.\n")
	for _, l := range Lessons {
		fmt.Fprintf(&b, "\n### %s\n\n| Statement | What comes of it |\n|---|---|\n", l.Title)
		s := picture.New()
		lines := []string{}
		for _, line := range l.Stage {
			lines = append(lines, line.Text)
		}
		for _, line := range append(lines, l.Solution...) {
			step, err := s.Do(line)
			require.NoError(t, err, line)
			text := picture.Style{}.Text(&step)
			came := strings.TrimSpace(strings.TrimPrefix(text, line))
			if came != "" {
				parts := strings.Split(came, "\n") // one for each hook that changed
				for i, p := range parts {
					parts[i] = "`" + strings.Join(strings.Fields(p), " ") + "`"
				}
				came = strings.Join(parts, "<br>")
			}
			if step.Refusal != nil {
				came = fmt.Sprintf("`! %s` %s (`%s`)", step.Refusal.Errno, step.Refusal.Text, step.Refusal.Rule)
			}
			fmt.Fprintf(&b, "| `%s` | %s |\n", line, came)
		}
	}
	return b.String()
}
