package source

import (
	"fmt"
	"regexp"
	"strings"
)

// A kernel's file is C as the kernel's style has it: what is defined begins in the
// first column, and so does the brace that ends it.

// piece is a part of a file.
type piece struct {
	file string // below the tree
	line int    // that it begins at
	text string
}

// String is the piece with a note for the compiler, where it is from.
func (p piece) String() string { return fmt.Sprintf("#line %d %q\n%s\n", p.line, p.file, p.text) }

// prototype is what declares a function, up to its body.
func (p piece) prototype() string {
	head, _, _ := strings.Cut(p.text, "\n{")
	return fmt.Sprintf("#line %d %q\n%s;\n", p.line, p.file, head)
}

// cFile is the text of a file of the kernel.
type cFile struct{ name, text string }

// at returns the piece between two offsets.
func (f *cFile) at(from, to int) piece {
	return piece{f.name, 1 + strings.Count(f.text[:from], "\n"), f.text[from:to]}
}

// whole is the file without its includes.
func (f *cFile) whole() piece {
	return piece{f.name, 1, includes.ReplaceAllString(f.text, "")}
}

var includes = regexp.MustCompile(`(?m)^[ \t]*#[ \t]*include\b.*$`)

// function finds the definition of a function.
func (f *cFile) function(name string) (p piece, ok bool) {
	// The head begins in the first column, maybe in the line above with the type
	// alone, and ends with a brace in the first column.
	head := regexp.MustCompile(`(?m)^(?:[a-zA-Z_][\w \t*]*\n)?(?:[a-zA-Z_][\w \t*]*[ \t*])?` + name + `\([^;{}]*\)\n\{`)
	at := head.FindStringIndex(f.text)
	if at == nil {
		return p, false
	}
	return f.upTo(at[0], "\n}\n")
}

// variable finds the definition of a variable with an initial value.
func (f *cFile) variable(name string) (p piece, ok bool) {
	at := regexp.MustCompile(`(?m)^[a-z][\w \t*]*\b` + name + `(?:\[\])? = \{\n`).FindStringIndex(f.text)
	if at == nil {
		return p, false
	}
	return f.upTo(at[0], "\n};\n")
}

// declared finds a struct, an enum or a union by both words.
func (f *cFile) declared(name string) (p piece, ok bool) {
	at := regexp.MustCompile(`(?m)^` + name + ` \{\n`).FindStringIndex(f.text)
	if at == nil {
		return p, false
	}
	return f.upTo(at[0], "\n};\n")
}

func (f *cFile) upTo(from int, end string) (p piece, ok bool) {
	n := strings.Index(f.text[from:], end)
	if n < 0 {
		return p, false
	}
	return f.at(from, from+n+len(end)), true
}

// macros finds all macros whose names match, with the lines that go on.
func (f *cFile) macros(names string) (all []piece) {
	for _, at := range regexp.MustCompile(`(?m)^#define (?:`+names+`)\b(?:.*\\\n)*.*\n`).FindAllStringIndex(f.text, -1) {
		all = append(all, f.at(at[0], at[1]))
	}
	return all
}

// params counts the parameters of a function.
func (p piece) params(name string) int {
	head, _, _ := strings.Cut(p.text, "\n{")
	_, list, _ := strings.Cut(head, name+"(")
	return strings.Count(list, ",") + 1
}
