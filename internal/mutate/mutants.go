package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
)

// mutant is one small defect: other text in place of a piece of a declaration.
type mutant struct {
	file     *file
	decl     *declaration
	line     int
	what     string // the change, such as "== to !="
	from, to int    // offsets in the file
	text     string
	again    int // how many mutants before it have the same declaration and change
}

// file is a file of the model as it is.
type file struct {
	path    string
	text    string
	decls   []*declaration
	mutants []*mutant
}

// declaration is what a mutant is in: a function, a variable, or something
// else, of which there can be only one in a program.
type declaration struct {
	name     string // with the receiver's type
	fn       *ast.FuncDecl
	variable *ast.ValueSpec
	constant *ast.GenDecl // of the variable, which is one in the mutated program alone
}

// key names the mutant independently of line numbers.
func (m *mutant) key() string {
	s := filepath.Base(m.file.path) + " " + m.decl.name + ": " + m.what
	if m.again > 0 {
		s += fmt.Sprintf(" (%d)", m.again+1)
	}
	return s
}

func (m *mutant) String() string {
	return fmt.Sprintf("%s:%d: %s", m.file.path, m.line, m.key())
}

// source is the text of the file from one offset to another, with the defect.
func (m *mutant) source(from, to int) string {
	return m.file.text[from:m.from] + m.text + m.file.text[m.to:to]
}

// mutator walks a file and collects mutants.
type mutator struct {
	*file
	fset *token.FileSet
	decl *declaration
	seen map[string]int
	bits map[*ast.BasicLit]bool // what is shifted, where the shift says which bit
}

// mutate reads a file and finds its mutants. Skipped are functions of these names.
func mutate(path string, skip func(name string) bool) (*file, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	m := &mutator{file: &file{path: path, text: string(text)}, fset: token.NewFileSet(), seen: map[string]int{}, bits: map[*ast.BasicLit]bool{}}
	tree, err := parser.ParseFile(m.fset, path, text, 0)
	if err != nil {
		return nil, err
	}
	for _, d := range tree.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			if m.declare(&declaration{name: functionName(d), fn: d}); !skip(m.decl.name) && d.Body != nil {
				ast.Inspect(d.Body, m.visit)
			}
		case *ast.GenDecl:
			for _, s := range d.Specs {
				spec := &declaration{name: "constants"}
				switch s := s.(type) {
				case *ast.ImportSpec:
					continue
				case *ast.TypeSpec:
					spec.name = s.Name.Name
				case *ast.ValueSpec:
					spec.name = s.Names[0].Name
					if isVariable(d) {
						spec.variable = s
					}
					if d.Tok == token.CONST {
						spec.constant = d
					}
				}
				if m.declare(spec); !skip(spec.name) {
					ast.Inspect(s, m.visit)
				}
			}
		}
	}
	return m.file, nil
}

// isVariable reports whether what is declared can be assigned to, or could as
// well: constants with a type.
func isVariable(d *ast.GenDecl) bool {
	for _, s := range d.Specs {
		v := s.(*ast.ValueSpec)
		if len(v.Names) != 1 || len(v.Values) != 1 || d.Tok == token.CONST && (v.Type == nil || isIota(v.Values[0])) {
			return false
		}
	}
	return true
}

func isIota(x ast.Expr) bool {
	id, ok := x.(*ast.Ident)
	return ok && id.Name == "iota"
}

func (m *mutator) declare(d *declaration) {
	m.decl = d
	m.decls = append(m.decls, d)
}

// functionName is for example put, or link.put.
func functionName(d *ast.FuncDecl) string {
	if d.Recv == nil {
		return d.Name.Name
	}
	t := d.Recv.List[0].Type
	if star, ok := t.(*ast.StarExpr); ok {
		t = star.X
	}
	return t.(*ast.Ident).Name + "." + d.Name.Name
}

func (m *mutator) offset(p token.Pos) int { return m.fset.Position(p).Offset }

func (m *mutator) source(n ast.Node) string { return m.text[m.offset(n.Pos()):m.offset(n.End())] }

// replace adds the mutant that has other text from one position to another.
func (m *mutator) replace(from, to token.Pos, text, what string) {
	id := m.decl.name + ": " + what
	m.mutants = append(m.mutants, &mutant{
		file: m.file, decl: m.decl, line: m.fset.Position(from).Line, what: what,
		from: m.offset(from), to: m.offset(to), text: text, again: m.seen[id],
	})
	m.seen[id]++
}

// instead adds the mutant that has other text for a node.
func (m *mutator) instead(n ast.Node, text, what string) { m.replace(n.Pos(), n.End(), text, what) }

// short is a piece of source on one line.
func short(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	if len(s) > 70 {
		s = s[:67] + "..."
	}
	return s
}
