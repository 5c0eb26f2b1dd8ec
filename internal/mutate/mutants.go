package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// mutant is a file with one small defect.
type mutant struct {
	file   string
	line   int
	fn     string // the function it is in, or "" at the top level
	what   string // the change, such as "== to !="
	source string // of the whole file
}

// key names the mutant independently of line numbers.
func (m mutant) key() string {
	return filepath.Base(m.file) + " " + m.fn + ": " + m.what
}

func (m mutant) String() string {
	return fmt.Sprintf("%s:%d: %s: %s", m.file, m.line, m.fn, m.what)
}

// mutator walks a file and collects mutants.
type mutator struct {
	file string
	text string
	fset *token.FileSet
	fn   string
	out  []mutant
}

func mutants(file string) ([]mutant, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	m := &mutator{file: file, text: string(text), fset: token.NewFileSet()}
	tree, err := parser.ParseFile(m.fset, file, text, 0)
	if err != nil {
		return nil, err
	}
	for _, d := range tree.Decls {
		m.fn = ""
		if f, ok := d.(*ast.FuncDecl); ok {
			m.fn = f.Name.Name
		}
		ast.Inspect(d, m.visit)
	}
	return m.out, nil
}

func (m *mutator) offset(p token.Pos) int { return m.fset.Position(p).Offset }

func (m *mutator) source(n ast.Node) string { return m.text[m.offset(n.Pos()):m.offset(n.End())] }

// replace adds the mutant that has other text from one position to another.
func (m *mutator) replace(from, to token.Pos, text, what string) {
	a, b := m.offset(from), m.offset(to)
	m.out = append(m.out, mutant{
		file: m.file, line: m.fset.Position(from).Line, fn: m.fn,
		what: what, source: m.text[:a] + text + m.text[b:],
	})
}

// short is a piece of source on one line.
func short(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	if len(s) > 70 {
		s = s[:67] + "..."
	}
	return s
}

// others holds, for each operator, what it is mistaken for.
var others = map[token.Token][]string{
	token.EQL: {"!="}, token.NEQ: {"=="},
	token.LSS: {"<=", ">="}, token.LEQ: {"<", ">"},
	token.GTR: {">=", "<="}, token.GEQ: {">", "<"},
	token.LAND: {"||"}, token.LOR: {"&&"},
	token.ADD: {"-"}, token.SUB: {"+"},
	token.AND_NOT: {"&"}, token.AND: {"&^"},
}

func (m *mutator) visit(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.BinaryExpr:
		for _, op := range others[n.Op] {
			end := n.OpPos + token.Pos(len(n.Op.String()))
			m.replace(n.OpPos, end, op, fmt.Sprintf("%s with %s", short(m.source(n)), op))
		}
	case *ast.IfStmt:
		cond := m.source(n.Cond)
		m.replace(n.Cond.Pos(), n.Cond.End(), "!("+cond+")", "if not "+short(cond))
		if returns(n.Body) {
			m.replace(n.Cond.Pos(), n.Cond.End(), "false && ("+cond+")", "never "+short(cond))
		}
	case *ast.BasicLit:
		if v, err := strconv.ParseInt(n.Value, 0, 64); n.Kind == token.INT && err == nil {
			m.replace(n.Pos(), n.End(), strconv.FormatInt(v+1, 10), fmt.Sprintf("%s + 1", n.Value))
		}
	case *ast.SelectorExpr:
		m.errno(n)
	case *ast.IncDecStmt:
		m.replace(n.Pos(), n.End(), "", "without "+m.source(n))
	case *ast.ExprStmt:
		s := m.source(n)
		if strings.Contains(s, ".passed(") { // telling of a check is no part of the answer
			return false
		}
		if !strings.Contains(s, "ock()") {
			m.replace(n.Pos(), n.End(), "", "without "+short(s))
		}
	case *ast.BlockStmt:
		m.swaps(n.List)
	case *ast.CaseClause:
		m.swaps(n.Body)
		if n.List != nil && len(n.Body) > 0 {
			m.replace(n.Body[0].Pos(), n.Body[len(n.Body)-1].End(), "", "empty case "+short(m.source(n.List[0])))
		}
	}
	return true
}

// errno exchanges the error number of a rule.
func (m *mutator) errno(n *ast.SelectorExpr) {
	x, ok := n.X.(*ast.Ident)
	if !ok || x.Name != "mprog" || !strings.HasPrefix(n.Sel.Name, "E") || strings.ToUpper(n.Sel.Name) != n.Sel.Name {
		return
	}
	other := "mprog.EINVAL"
	if n.Sel.Name == "EINVAL" {
		other = "mprog.EBADF"
	}
	m.replace(n.Pos(), n.End(), other, fmt.Sprintf("line %q with %s", short(m.lineOf(n.Pos())), other))
}

func (m *mutator) lineOf(p token.Pos) string {
	at := m.offset(p)
	from := strings.LastIndexByte(m.text[:at], '\n') + 1
	to := strings.IndexByte(m.text[at:], '\n') + at
	return m.text[from:to]
}

// swaps exchanges neighbours that both may end the function: the order of
// checks.
func (m *mutator) swaps(list []ast.Stmt) {
	for i := 1; i < len(list); i++ {
		a, b := list[i-1], list[i]
		if !check(a) || !check(b) {
			continue
		}
		between := m.text[m.offset(a.End()):m.offset(b.Pos())]
		m.replace(a.Pos(), b.End(), m.source(b)+between+m.source(a),
			fmt.Sprintf("%s in front of %s", short(m.source(b)), short(m.source(a))))
	}
}

// check reports whether a statement is an if or switch that may return.
func check(s ast.Stmt) bool {
	switch s := s.(type) {
	case *ast.IfStmt:
		return returns(s.Body)
	case *ast.SwitchStmt:
		return returns(s.Body)
	}
	return false
}

func returns(n ast.Node) (yes bool) {
	ast.Inspect(n, func(n ast.Node) bool {
		_, ret := n.(*ast.ReturnStmt)
		yes = yes || ret
		return !yes
	})
	return yes
}
