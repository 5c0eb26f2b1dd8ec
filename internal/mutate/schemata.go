package main

import (
	"fmt"
	"go/ast"
	"strings"
)

// Environment variable of a program with all mutants: the number of the one that
// it is to be, from 1 on; it is itself without.
const chosen = "NKCONFORM_MUTANT"

// common is what the mutated files need.
const common = `package fake

import (
	"os"
	"strconv"

	"github.com/nkconform/nkconform/mprog"
)

var mutant, _ = strconv.Atoi(os.Getenv("` + chosen + `"))

// refuseOtherwise is refuse with another errno.
func refuseOtherwise(r *RuleInfo, format string, args ...any) error {
	err := refuse(r, format, args...).(*mprog.Error)
	if err.Errno = mprog.EINVAL; r.Errno == mprog.EINVAL {
		err.Errno = mprog.EBADF
	}
	return err
}
`

// schemata is the text of a file with mutants in it: beside each function one
// copy for each of its mutants, and as its first statement the choice between
// them. Variables are assigned again when the program starts.
type schemata struct {
	*file
	out   strings.Builder
	lines int
	where map[int]*mutant // by line
}

// together writes a file with those mutants in it that have a number.
func together(f *file, number map[*mutant]int) *schemata {
	s := &schemata{file: f, where: map[int]*mutant{}}
	done := 0
	for _, d := range f.decls {
		list := f.chosen(d, number)
		if c := d.constant; c != nil && d.variable != nil && int(c.Pos()) > done {
			s.write(f.text[done:int(c.Pos())-1] + "var")
			done = int(c.Pos()) - 1 + len("const")
		}
		if d.fn == nil || len(list) == 0 {
			continue
		}
		body := int(d.fn.Body.Lbrace) // positions of a file set with one file are offsets + 1
		name := int(d.fn.Name.Pos()) - 1
		s.write(f.text[done : int(d.fn.Pos())-1])
		s.write(f.header(d.fn) + " {\n\tswitch mutant {\n")
		for _, m := range list {
			s.write(fmt.Sprintf("\tcase %d:\n\t\t%s\n", number[m], f.callOf(d.fn, number[m])))
		}
		s.write("\t}\n" + f.text[body:int(d.fn.End())-1] + "\n")
		for _, m := range list {
			s.note(m, fmt.Sprintf("%s%s%s%s\n", f.text[int(d.fn.Pos())-1:name], copyName(d.fn, number[m]),
				f.text[int(d.fn.Name.End())-1:body-1], m.source(body-1, int(d.fn.End())-1)))
		}
		done = int(d.fn.End()) - 1
	}
	s.write(f.text[done:])
	s.assign(number)
	return s
}

// assign gives variables their mutated values.
func (s *schemata) assign(number map[*mutant]int) {
	for _, d := range s.decls {
		list := s.chosen(d, number)
		if d.variable == nil || len(list) == 0 {
			continue
		}
		value := d.variable.Values[0]
		s.write("\nfunc init() {\n\tswitch mutant {\n")
		for _, m := range list {
			s.note(m, fmt.Sprintf("\tcase %d:\n\t\t%s = %s\n", number[m], d.name, m.source(int(value.Pos())-1, int(value.End())-1)))
		}
		s.write("\t}\n}\n")
	}
}

// chosen are the mutants of a declaration that have a number and can be in a
// program together with others.
func (f *file) chosen(d *declaration, number map[*mutant]int) (list []*mutant) {
	for _, m := range f.mutants {
		if number[m] != 0 && m.decl == d && m.combines() {
			list = append(list, m)
		}
	}
	return list
}

// combines reports whether the mutant can be in a program together with others.
func (m *mutant) combines() bool { return m.decl.fn != nil || m.decl.variable != nil }

func (s *schemata) write(text string) {
	s.out.WriteString(text)
	s.lines += strings.Count(text, "\n")
}

// note writes a mutant and remembers its lines.
func (s *schemata) note(m *mutant, text string) {
	for i := range strings.Count(text, "\n") + 1 {
		s.where[s.lines+1+i] = m
	}
	s.write(text)
}

func copyName(fn *ast.FuncDecl, n int) string { return fmt.Sprintf("%s_mutant_%d", fn.Name.Name, n) }

// header is a function up to its body, with a name for each parameter.
func (f *file) header(fn *ast.FuncDecl) string {
	h := "func "
	if fn.Recv != nil {
		h += "(" + f.params(fn.Recv, "receiver") + ") "
	}
	h += fn.Name.Name
	if fn.Type.TypeParams != nil {
		h += "[" + f.params(fn.Type.TypeParams, "type") + "]"
	}
	h += "(" + f.params(fn.Type.Params, "param") + ")"
	if fn.Type.Results != nil {
		h += " (" + f.params(fn.Type.Results, "") + ")"
	}
	return h
}

// params writes a list with a name for each; unnamed are those that have none,
// or stay so without a prefix.
func (f *file) params(list *ast.FieldList, prefix string) string {
	var all []string
	each(list, prefix, func(name string, t ast.Expr) {
		all = append(all, strings.TrimSpace(name+" "+f.text[int(t.Pos())-1:int(t.End())-1]))
	})
	return strings.Join(all, ", ")
}

func each(list *ast.FieldList, prefix string, do func(name string, t ast.Expr)) {
	if list == nil {
		return
	}
	n := 0
	one := func(name string, t ast.Expr) {
		if n++; prefix != "" && (name == "" || name == "_") {
			name = fmt.Sprintf("%s%d", prefix, n)
		}
		do(name, t)
	}
	for _, field := range list.List {
		if len(field.Names) == 0 {
			one("", field.Type)
		}
		for _, name := range field.Names {
			one(name.Name, field.Type)
		}
	}
}

// callOf is the call of a function's copy with the function's arguments.
func (f *file) callOf(fn *ast.FuncDecl, n int) string {
	call := copyName(fn, n)
	each(fn.Recv, "receiver", func(name string, _ ast.Expr) { call = name + "." + call })
	if fn.Type.TypeParams != nil {
		var types []string
		each(fn.Type.TypeParams, "type", func(name string, _ ast.Expr) { types = append(types, name) })
		call += "[" + strings.Join(types, ", ") + "]"
	}
	var args []string
	each(fn.Type.Params, "param", func(name string, t ast.Expr) {
		if _, variadic := t.(*ast.Ellipsis); variadic {
			name += "..."
		}
		args = append(args, name)
	})
	call += "(" + strings.Join(args, ", ") + ")"
	if fn.Type.Results == nil {
		return call + "\n\t\treturn"
	}
	return "return " + call
}
