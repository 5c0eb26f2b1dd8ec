package console

import (
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// callers is how many of a stack golden has.
const callers = 3

func logs(t *testing.T) map[string]string {
	t.Helper()
	files, err := filepath.Glob("testdata/*.log")
	require.NoError(t, err)
	texts := map[string]string{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		texts[filepath.Base(file)] = string(text)
	}
	return texts
}

func TestFind(t *testing.T) {
	texts := logs(t)
	for file := range golden {
		assert.Contains(t, texts, file)
	}
	for file, text := range texts {
		var got []string
		for _, c := range Find(text) {
			trace := c.Trace[:min(callers, len(c.Trace))]
			got = append(got, strings.Join([]string{string(c.Kind), c.Headline, c.Where, c.Task, strings.Join(trace, " ")}, " | "))
			assert.Contains(t, text, c.Text, file)
		}
		assert.Equal(t, golden[file], got, file)
	}
}

// What is read in a report is read in what is left of it, too.
func TestBrief(t *testing.T) {
	dull := regexp.MustCompile(`R[AS][XP]: |Code: |\] +\? |RIP: 0033:0x`)
	for file, text := range logs(t) {
		for _, c := range Find(text) {
			brief := c.Brief()
			assert.LessOrEqual(t, strings.Count(brief, "\n"), maxBrief, file)
			assert.NotRegexp(t, dull, brief, file)
			for _, want := range append(c.Trace, c.Headline, c.Where) {
				assert.Contains(t, brief, want, file)
			}
		}
	}
	long := Find("BUG: long\n" + strings.Repeat("and more\n", maxLines*2))[0]
	assert.Equal(t, maxBrief+1, strings.Count(long.Brief(), "\n")+1)
	assert.Equal(t, maxLines, strings.Count(long.Text, "\n")+1)
}

// What comes later is not of a report, nor what has no time where the report has.
func TestReportsEnd(t *testing.T) {
	for _, after := range []string{"[  100.2] later", "of a program"} {
		found := Find("[   97.0] BUG: odd\n[   98.1] more of it\n" + after + "\n")
		require.Len(t, found, 1)
		assert.Equal(t, "[   97.0] BUG: odd\n[   98.1] more of it", found[0].Text)
	}
}

// endless are logs that end before the report does.
var endless = []string{"stalls.log", "uml-6.1-panic.log", "uml-7.3-fault.log", "uml-7.3-panic.log"}

// A watch says in the line of the headline that the kernel is broken, and with the
// report's last line that nothing more is to come.
func TestWatch(t *testing.T) {
	closed := func(c <-chan struct{}) bool {
		select {
		case <-c:
			return true
		default:
			return false
		}
	}
	for file, text := range logs(t) {
		w := NewWatch()
		broken, ok := Broken(Find(text))
		seen := ""
		for line := range strings.Lines(text) {
			before := closed(w.Broke())
			for _, half := range []string{line[:len(line)/2], line[len(line)/2:]} {
				_, err := io.WriteString(w, half)
				require.NoError(t, err)
			}
			seen += line
			if closed(w.Broke()) && !before {
				assert.True(t, strings.HasSuffix(seen, broken.Headline+"\n"), "%s: after %q", file, line)
			}
			if closed(w.Told()) {
				break
			}
		}
		assert.Equal(t, ok, closed(w.Broke()), file)
		assert.Equal(t, ok && !slices.Contains(endless, file), closed(w.Told()), file)
		if closed(w.Told()) {
			assert.Contains(t, seen, broken.Text, file)
		}
	}
}

func FuzzFind(f *testing.F) {
	files, err := filepath.Glob("testdata/*.log")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
	}
	f.Fuzz(func(t *testing.T, text string) {
		found := Find(text)
		for _, c := range found {
			assert.NotEmpty(t, c.Headline)
			assert.LessOrEqual(t, strings.Count(c.Text, "\n"), maxLines)
			assert.LessOrEqual(t, strings.Count(c.Brief(), "\n"), maxBrief)
		}
		w := NewWatch()
		_, _ = io.WriteString(w, text)
		if _, broken := Broken(found); !broken {
			select {
			case <-w.Broke():
				t.Error("broken to who watches only")
			default:
			}
		}
	})
}
