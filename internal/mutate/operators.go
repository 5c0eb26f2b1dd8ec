package main

import (
	"fmt"
	"go/ast"
	"go/token"
	"strconv"
	"strings"
)

// others holds, for each operator, what it is mistaken for.
var others = map[token.Token][]string{
	token.EQL: {"!="}, token.NEQ: {"=="},
	token.LSS: {"<=", ">="}, token.LEQ: {"<", ">"},
	token.GTR: {">=", "<="}, token.GEQ: {">", "<"},
	token.LAND: {"||"}, token.LOR: {"&&"},
	token.ADD: {"-"}, token.SUB: {"+"},
	token.AND_NOT: {"&"}, token.AND: {"&^"},
}

// named holds what names of package mprog are mistaken for.
var named = map[string][]string{
	"Replace":     {"mprog.Before"},
	"Before":      {"mprog.After"},
	"After":       {"mprog.Before"},
	"ID":          {"mprog.Link"},
	"Link":        {"mprog.ID"},
	"AttachMask":  {"(mprog.AttachMask | 1<<6)", "(mprog.AttachMask &^ mprog.Link)"},
	"MaxPrograms": {"(mprog.MaxPrograms + 1)", "(mprog.MaxPrograms - 1)"},
}

// visit finds the defects of one node.
func (m *mutator) visit(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.BinaryExpr:
		m.binary(n)
	case *ast.IfStmt:
		if m.unmodelled(n.Body.List) || m.onlyTells(n.Body) && (n.Else == nil || m.onlyTells(n.Else)) {
			return false
		}
		m.condition("if", n.Cond)
		if n.Else != nil && !m.onlyTells(n.Else) {
			m.instead(n.Else, "{}", "without else of "+short(m.source(n.Cond)))
		}
	case *ast.BasicLit:
		if v, err := strconv.ParseInt(n.Value, 0, 64); n.Kind == token.INT && err == nil && !m.bits[n] {
			m.instead(n, strconv.FormatInt(v+1, 10), n.Value+" + 1 in "+m.lineOf(n.Pos()))
			if v > 0 {
				m.instead(n, strconv.FormatInt(v-1, 10), n.Value+" - 1 in "+m.lineOf(n.Pos()))
			}
		}
	case *ast.Ident:
		if other, ok := map[string]string{"true": "false", "false": "true"}[n.Name]; ok {
			m.instead(n, other, other+" in "+m.lineOf(n.Pos()))
		}
	case *ast.SelectorExpr:
		m.selector(n)
	case *ast.CallExpr:
		return m.call(n)
	case *ast.IncDecStmt:
		m.instead(n, "", "without "+m.source(n))
	case *ast.AssignStmt:
		if n.Tok != token.DEFINE {
			m.instead(n, m.used(n), "without "+short(m.source(n)))
		}
	case *ast.ExprStmt:
		s := m.source(n)
		if strings.Contains(s, ".passed(") { // telling of a check is no part of the answer
			return false
		}
		if !strings.HasSuffix(s, "ock()") {
			m.instead(n, "", "without "+short(s))
		}
	case *ast.BlockStmt:
		m.swaps(n.List)
	case *ast.SwitchStmt:
		m.cases(n)
	case *ast.ReturnStmt:
		return m.returned(n)
	case *ast.CaseClause:
		if m.unmodelled(n.Body) {
			return false
		}
		m.swaps(n.Body)
		if n.List != nil && len(n.Body) > 0 {
			m.replace(n.Body[0].Pos(), n.Body[len(n.Body)-1].End(), "", "empty case "+short(m.source(n.List[0])))
		}
	}
	return true
}

// returned mutates what is returned, unless an error is: nobody looks at what
// stands beside it.
func (m *mutator) returned(n *ast.ReturnStmt) bool {
	if len(n.Results) < 2 {
		return true
	}
	switch last := n.Results[len(n.Results)-1].(type) {
	case *ast.Ident:
		if last.Name == "err" {
			return false
		}
	case *ast.CallExpr:
		if name := m.source(last.Fun); name == "refuse" || name == "fmt.Errorf" {
			m.call(last)
			return false
		}
	}
	return true
}

func (m *mutator) binary(n *ast.BinaryExpr) {
	if one, ok := n.X.(*ast.BasicLit); ok && n.Op == token.SHL {
		m.bits[one] = true
	}
	for _, op := range others[n.Op] {
		m.replace(n.OpPos, n.OpPos+token.Pos(len(n.Op.String())), op, fmt.Sprintf("%s with %s", short(m.source(n)), op))
	}
	if n.Op == token.OR {
		m.instead(n, m.source(n.X), short(m.source(n))+" without the right")
		m.instead(n, m.source(n.Y), short(m.source(n))+" without the left")
	}
}

// condition turns a condition round, and decides it beforehand.
func (m *mutator) condition(word string, cond ast.Expr) {
	s := m.source(cond)
	m.instead(cond, "!("+s+")", word+" not "+short(s))
	m.instead(cond, "false && ("+s+")", "never "+word+" "+short(s))
	m.instead(cond, "true || ("+s+")", "always "+word+" "+short(s))
}

// used mentions what an assignment that is left out uses, so that the rest
// compiles.
func (m *mutator) used(n *ast.AssignStmt) string {
	var names, blanks []string
	for _, x := range n.Rhs {
		if _, isCall := x.(*ast.CallExpr); isCall {
			return ""
		}
		names, blanks = append(names, m.source(x)), append(blanks, "_")
	}
	if len(n.Lhs) != len(n.Rhs) || m.source(n.Rhs[0]) == "nil" {
		return ""
	}
	return strings.Join(blanks, ", ") + " = " + strings.Join(names, ", ")
}

// call exchanges min and max, and the errno of a refusal. Only words are behind
// the rule of a refusal, and in an error that no kernel gives.
func (m *mutator) call(n *ast.CallExpr) bool {
	switch m.source(n.Fun) {
	case "min":
		m.instead(n.Fun, "max", short(m.source(n))+" with max")
	case "max":
		m.instead(n.Fun, "min", short(m.source(n))+" with min")
	case "refuse":
		m.instead(n.Fun, "refuseOtherwise", "another errno for "+short(m.source(n)))
		return false
	case "fmt.Errorf":
		return false
	}
	return true
}

// selector exchanges the error number of a rule, and flags.
func (m *mutator) selector(n *ast.SelectorExpr) {
	x, ok := n.X.(*ast.Ident)
	if !ok || x.Name != "mprog" {
		return
	}
	for _, other := range named[n.Sel.Name] {
		m.instead(n, other, fmt.Sprintf("%s in %s", other, m.lineOf(n.Pos())))
	}
	if len(n.Sel.Name) < 3 || n.Sel.Name[0] != 'E' || strings.ToUpper(n.Sel.Name) != n.Sel.Name {
		return
	}
	other := "mprog.EINVAL"
	if n.Sel.Name == "EINVAL" {
		other = "mprog.EBADF"
	}
	m.instead(n, other, fmt.Sprintf("%s in %s", other, m.lineOf(n.Pos())))
}

func (m *mutator) lineOf(p token.Pos) string {
	at := m.offset(p)
	from := strings.LastIndexByte(m.text[:at], '\n') + 1
	to := strings.IndexByte(m.text[at:], '\n') + at
	return short(m.text[from:to])
}
