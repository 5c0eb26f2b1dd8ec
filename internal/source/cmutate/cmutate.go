// Package cmutate puts defects into C: for each function of a text, copies with one change
// each (conditions, bounds, errnos, flags, order of checks, statements left out), and a choice
// between them by a number that is set when it runs. So one compilation has all mutants.
package cmutate

import (
	"fmt"
	"regexp"
	"strings"
)

// Mutant is a defect.
type Mutant struct {
	Number   int // from 1 on
	File     string
	Function string
	What     string // the change, in words
}

// Key names a mutant in lists: by file, function and change.
func (m Mutant) Key() string {
	return m.File[strings.LastIndexByte(m.File, '/')+1:] + " " + m.Function + ": " + m.What
}

// Mutator writes texts with mutants in them.
type Mutator struct {
	Mutants []Mutant
	// Without are functions to leave as they are.
	Without map[string]bool
	// Broken are mutants that do not compile: by key.
	Broken map[string]bool
}

// definition is the head of a function; the first group is its name.
var definition = regexp.MustCompile(`(?m)^(?:[a-zA-Z_][\w \t*]*\n)?(?:[a-zA-Z_][\w \t*]*[ \t*])?(\w+)\([^;{}#]*\)\n\{`)

// Text returns the text of a file, or of a part of it from a line on, with mutants.
func (m *Mutator) Text(file string, line int, text string) string {
	code := blank(text)
	var out strings.Builder
	done := 0
	note := func(at int) { fmt.Fprintf(&out, "#line %d %q\n", line+strings.Count(text[:at], "\n"), file) }
	note(0)
	for _, at := range definition.FindAllStringSubmatchIndex(code, -1) {
		n := strings.Index(code[at[0]:], "\n}\n")
		if n < 0 || at[0] < done {
			continue
		}
		end, name := at[0]+n+len("\n}\n"), code[at[2]:at[3]]
		if m.Without[name] {
			continue
		}
		out.WriteString(text[done:at[0]])
		f := function{file: file, name: name, text: text[at[0]:end], code: code[at[0]:end], nameAt: at[2] - at[0]}
		m.write(&out, &f, func() { note(at[0]) })
		done = end
		note(done)
	}
	out.WriteString(text[done:])
	return out.String()
}

// function is a function to put defects into.
type function struct {
	file, name, text, code string
	nameAt                 int
}

// write writes a function with its mutants: their declarations, the choice, the copies.
func (m *Mutator) write(out *strings.Builder, f *function, note func()) {
	type copyOf struct {
		number int
		edit
	}
	var copies []copyOf
	for _, e := range edits(f.code) {
		one := Mutant{File: f.file, Function: f.name, What: e.what}
		if m.Broken[one.Key()] {
			continue
		}
		one.Number = len(m.Mutants) + 1
		m.Mutants = append(m.Mutants, one)
		copies = append(copies, copyOf{one.Number, e})
	}
	body := strings.Index(f.code, "\n{")
	rename := func(text string, n int) string {
		return text[:f.nameAt] + fmt.Sprintf("%s_mutant_%d", f.name, n) + text[f.nameAt+len(f.name):]
	}
	for _, c := range copies {
		out.WriteString(rename(f.text[:body], c.number) + ";\n")
	}
	note()
	out.WriteString(f.text[:body] + "\n{ switch (nk_mutant) {")
	for _, c := range copies {
		call := fmt.Sprintf("%s_mutant_%d(%s)", f.name, c.number, strings.Join(arguments(f.code[:body], f.name), ", "))
		if f.void() {
			fmt.Fprintf(out, " case %d: %s; return;", c.number, call)
		} else {
			fmt.Fprintf(out, " case %d: return %s;", c.number, call)
		}
	}
	out.WriteString(" default: ; }" + f.text[body+2:])
	for _, c := range copies {
		fmt.Fprintf(out, "#line 1 \"mutant-%d\"\n", c.number)
		out.WriteString(rename(f.text[:c.from]+c.text+f.text[c.to:], c.number))
	}
}

// void reports whether the function returns nothing.
func (f *function) void() bool {
	return regexp.MustCompile(`\bvoid\s+$`).MatchString(f.code[:f.nameAt])
}

// arguments are the names of the parameters.
func arguments(head, name string) (names []string) {
	list := head[strings.Index(head, name+"(")+len(name)+1:]
	list = strings.TrimSuffix(strings.TrimSpace(list), ")")
	for _, p := range strings.Split(list, ",") {
		if word := lastWord.FindString(strings.TrimSpace(p)); word != "void" {
			names = append(names, word)
		}
	}
	return names
}

var lastWord = regexp.MustCompile(`\w+$`)

// blank replaces comments, strings, lines of the preprocessor and what stands between two of
// them that is not compiled by blanks.
func blank(text string) string {
	return hidden.ReplaceAllStringFunc(text, func(s string) string {
		b := []byte(s)
		for i, c := range b {
			if c != '\n' && c != '\t' {
				b[i] = ' '
			}
		}
		return string(b)
	})
}

var hidden = regexp.MustCompile(`(?s)/\*.*?\*/|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)+'|(?m:^#else$.*?^#endif)|(?m:^#(?:[^\n]*\\\n)*[^\n]*$)`)
