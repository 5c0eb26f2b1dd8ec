package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// modelled has a declaration of every form that can be in a program together with
// its mutants, and a constant without a type, which cannot.
const modelled = `package main

const untyped = 40

const typed int = 30

var variable = 20

type pair struct{ a, b int }

func (p *pair) sum(_ int, more ...int) (n int) {
	n = p.a + p.b
	for _, m := range more {
		n += m
	}
	return n
}

func generic[T any](list []T) int { return len(list) * 10 }

func (*pair) count(to *int) {
	*to = 7
}
`

const printing = `package main

import "fmt"

var mutant int

func main() {
	for mutant = range %d {
		p, n := &pair{1, 2}, 0
		p.count(&n)
		fmt.Println(typed, variable, p.sum(0, 3, 4), generic([]int{1}), n)
	}
}
`

// One program that can be any of its mutants is each of them when it says so.
func TestTogether(t *testing.T) {
	f, err := mutate(write(t, "model.go", modelled), none)
	require.NoError(t, err)
	number := map[*mutant]int{}
	list := []*mutant{nil}
	for _, m := range f.mutants {
		if strings.HasPrefix(m.key(), "model.go untyped: ") {
			assert.False(t, m.combines(), m)
			continue
		}
		if m.decl.fn == nil { // a variable has its value before main, which chooses here
			continue
		}
		number[m] = len(list)
		list = append(list, m)
	}
	dir := t.TempDir()
	s := together(f, number)
	for name, text := range map[string]string{
		"go.mod": "module mutants\n\ngo 1.25\n", "model.go": s.out.String(), "main.go": fmt.Sprintf(printing, len(list)),
	} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644))
	}
	cmd := exec.Command("go", "run", ".")
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "GOFLAGS=", "GOWORK=off")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s\n%s", out, s.out.String())
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	require.Len(t, lines, len(list))
	assert.Equal(t, "30 20 10 10 7", lines[0], "without a mutant")
	got := map[string]string{}
	for i, m := range list[1:] {
		got[m.decl.name+": "+m.what] = lines[i+1]
	}
	assert.Equal(t, map[string]string{
		"pair.sum: p.a + p.b with -":        "30 20 6 10 7",
		"pair.sum: without n = p.a + p.b":   "30 20 7 10 7",
		"pair.sum: without n += m":          "30 20 3 10 7",
		"generic: 10 + 1 in " + genericLine: "30 20 10 11 7",
		"generic: 10 - 1 in " + genericLine: "30 20 10 9 7",
		"pair.count: without *to = 7":       "30 20 10 10 0",
		"pair.count: 7 + 1 in *to = 7":      "30 20 10 10 8",
		"pair.count: 7 - 1 in *to = 7":      "30 20 10 10 6",
	}, got)
}

const genericLine = "func generic[T any](list []T) int { return len(list) * 10 }"

// Variables, and constants that have a type, are assigned when the program starts.
func TestTogetherAssigns(t *testing.T) {
	f, err := mutate(write(t, "model.go", modelled), none)
	require.NoError(t, err)
	number := map[*mutant]int{}
	for _, m := range f.mutants {
		if m.decl.variable != nil {
			number[m] = len(number) + 1
		}
	}
	s := together(f, number)
	text := s.out.String()
	assert.Contains(t, text, "var typed int = 30\n")
	for _, want := range []string{"typed = 31", "typed = 29", "variable = 21", "variable = 19"} {
		assert.Contains(t, text, ":\n\t\t"+want+"\n")
	}
	for i, line := range strings.Split(text, "\n") { // where the compiler would complain
		if m := s.where[i+1]; strings.Contains(line, "variable = 21") {
			require.NotNil(t, m)
			assert.Equal(t, "20 + 1 in var variable = 20", m.what)
		}
	}
}
