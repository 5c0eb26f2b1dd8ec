package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// write makes a file of a model.
func write(t *testing.T, name, text string) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
	return path
}

func none(string) bool { return false }

// find finds the mutants of a function's body: what each changes, and the body
// that it has instead.
func find(t *testing.T, body string) (mutants map[string]string) {
	t.Helper()
	const before, after = "package fake\n\nfunc f() error {\n", "\n}\n"
	f, err := mutate(write(t, "f.go", before+body+after), none)
	require.NoError(t, err)
	mutants = map[string]string{}
	for _, m := range f.mutants {
		text := m.source(0, len(f.text))
		require.Contains(t, m.key(), "f.go f: ")
		mutants[m.key()[len("f.go f: "):]] = text[len(before) : len(text)-len(after)]
	}
	return mutants
}

func TestMutants(t *testing.T) {
	for _, tc := range []struct {
		name, body string
		want       map[string]string
	}{
		{"a comparison", "x(a < b)", map[string]string{
			"a < b with <=":    "x(a <= b)",
			"a < b with >=":    "x(a >= b)",
			"without x(a < b)": "",
		}},
		{"flags", "return a(b | c)", map[string]string{
			"b | c without the right": "return a(b)",
			"b | c without the left":  "return a(c)",
		}},
		{"a number", "return x[1]", map[string]string{
			"1 + 1 in return x[1]": "return x[2]",
			"1 - 1 in return x[1]": "return x[0]",
		}},
		{"no number below zero", "return x[0]", map[string]string{"0 + 1 in return x[0]": "return x[1]"}},
		{"which bit, but not that it is one", "return a(1 << 3)", map[string]string{
			"3 + 1 in return a(1 << 3)": "return a(1 << 4)",
			"3 - 1 in return a(1 << 3)": "return a(1 << 2)",
		}},
		{"a condition", "if a { b() }", map[string]string{
			"if not a": "if !(a) { b() }", "never if a": "if false && (a) { b() }", "always if a": "if true || (a) { b() }",
			"without b()": "if a {  }",
		}},
		{"an errno", "return mprog.ENOENT", map[string]string{"mprog.EINVAL in return mprog.ENOENT": "return mprog.EINVAL"}},
		{"another errno", "return mprog.EINVAL", map[string]string{"mprog.EBADF in return mprog.EINVAL": "return mprog.EBADF"}},
		{"no errno", "return mprog.Errno(e)", map[string]string{}},
		{"a refusal, but not its words", `return refuse(rule, "has %d", n+1)`, map[string]string{
			`another errno for refuse(rule, "has %d", n+1)`: `return refuseOtherwise(rule, "has %d", n+1)`,
		}},
		{"nothing beside an error", "return 1, err", map[string]string{}},
		{"nothing that is not modelled", "if n > 3 { return mprog.ErrUnsupported }", map[string]string{}},
		{"an assignment", "a = b", map[string]string{"without a = b": "_ = b"}},
		{"the same twice", "a++; a++", map[string]string{"without a++": "; a++", "without a++ (2)": "a++; "}},
		{"the order of cases", "switch {\ncase a:\n\tb()\ncase c:\n\td()\n}", map[string]string{
			"case not a":           "switch {\ncase !(a):\n\tb()\ncase c:\n\td()\n}",
			"never case a":         "switch {\ncase false && (a):\n\tb()\ncase c:\n\td()\n}",
			"always case a":        "switch {\ncase true || (a):\n\tb()\ncase c:\n\td()\n}",
			"case not c":           "switch {\ncase a:\n\tb()\ncase !(c):\n\td()\n}",
			"never case c":         "switch {\ncase a:\n\tb()\ncase false && (c):\n\td()\n}",
			"always case c":        "switch {\ncase a:\n\tb()\ncase true || (c):\n\td()\n}",
			"case c in front of a": "switch {\ncase c:\n\td()\ncase a:\n\tb()\n}",
			"empty case a":         "switch {\ncase a:\n\t\ncase c:\n\td()\n}",
			"empty case c":         "switch {\ncase a:\n\tb()\ncase c:\n\t\n}",
			"without b()":          "switch {\ncase a:\n\t\ncase c:\n\td()\n}",
			"without d()":          "switch {\ncase a:\n\tb()\ncase c:\n\t\n}",
		}},
	} {
		t.Run(tc.name, func(t *testing.T) { assert.Equal(t, tc.want, find(t, tc.body)) })
	}
}

// The order of checks is mutated, with what each looks at and what tells of it.
func TestOrderOfChecks(t *testing.T) {
	got := find(t, `	p.passed("one")
	x := look()
	if x { return e1 }
	p.passed("two")
	if y { return e2 }
	z()
	if w { return e3 }`)
	assert.Equal(t, `	p.passed("one")
	if y { return e2 }
	x := look()
	if x { return e1 }
	p.passed("two")
	z()
	if w { return e3 }`, got["if y { return e2 } in front of x := look() if x { return e1 } p.passed(\"two\")"])
	for what := range got {
		assert.NotContains(t, what, "w { return e3 } in front", "something is between them")
		assert.NotContains(t, what, "without p.passed", "that is no part of the answer")
	}
}

func TestModelLeavesOut(t *testing.T) {
	t.Chdir(t.TempDir())
	require.NoError(t, os.Mkdir("fake", 0o755))
	for name, text := range map[string]string{
		"fake/a.go":      "package fake\n\nfunc f() int { return 1 }\n\nfunc (p *prog) words() int { return 1 }\n",
		"fake/a_test.go": "package fake\n\nfunc g() int { return 1 }\n",
		"fake/print.go":  "package fake\n\nfunc h() int { return 1 }\n",
		"out.txt":        "# Nothing here.\na.go prog.words  # tells\nprint.go  # prints\n",
		"wrong.txt":      "print.go  # prints\na.go nosuch  # was there once\n",
	} {
		require.NoError(t, os.WriteFile(name, []byte(text), 0o644))
	}
	files, err := model(options{leftOut: "out.txt"})
	require.NoError(t, err)
	require.Len(t, files, 1)
	for _, m := range files[0].mutants {
		assert.Equal(t, "f", m.decl.name)
	}
	assert.Len(t, files[0].mutants, 2)
	_, err = model(options{leftOut: "wrong.txt"})
	assert.EqualError(t, err, "wrong.txt: there is no a.go nosuch")
	_, err = model(options{leftOut: "out.txt", files: []string{"fake/print.go"}})
	assert.EqualError(t, err, "no file to mutate")
}
