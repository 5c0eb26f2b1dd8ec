package main

import (
	"fmt"
	"go/ast"
	"slices"
	"strings"
)

// swaps exchanges neighbours that both may end the function: the order of
// checks.
func (m *mutator) swaps(list []ast.Stmt) {
	checks := m.checks(list)
	for i := 1; i < len(checks); i++ {
		a, b := checks[i-1], checks[i]
		if a.end != b.begin {
			continue
		}
		first, second := list[a.begin:a.end], list[b.begin:b.end]
		between := m.text[m.offset(first[len(first)-1].End()):m.offset(second[0].Pos())]
		x, y := m.sources(first), m.sources(second)
		m.replace(first[0].Pos(), second[len(second)-1].End(), y+between+x,
			fmt.Sprintf("%s in front of %s", short(y), short(x)))
	}
}

// span is where a check is in a list of statements.
type span struct{ begin, end int }

// checks finds the checks in a list of statements: an if or switch that may
// return, with the assignment in front that it looks at, and what tells of it
// behind.
func (m *mutator) checks(list []ast.Stmt) (checks []span) {
	for i, s := range list {
		if !m.isCheck(s) {
			continue
		}
		c := span{i, i + 1}
		if i > 0 && (len(checks) == 0 || checks[len(checks)-1].end < i) {
			if _, assigns := list[i-1].(*ast.AssignStmt); assigns {
				c.begin--
			}
		}
		for c.end < len(list) && m.tells(list[c.end]) {
			c.end++
		}
		checks = append(checks, c)
	}
	return checks
}

// tells reports whether a statement notes that a check has been passed.
func (m *mutator) tells(s ast.Stmt) bool {
	e, ok := s.(*ast.ExprStmt)
	if !ok {
		return false
	}
	call, ok := e.X.(*ast.CallExpr)
	return ok && m.source(call.Fun) == "p.passed"
}

// onlyTells reports whether a block does nothing else.
func (m *mutator) onlyTells(s ast.Stmt) bool {
	b, ok := s.(*ast.BlockStmt)
	return ok && !slices.ContainsFunc(b.List, func(s ast.Stmt) bool { return !m.tells(s) })
}

func (m *mutator) sources(list []ast.Stmt) string {
	return m.text[m.offset(list[0].Pos()):m.offset(list[len(list)-1].End())]
}

// cases turns the conditions of a switch round, and exchanges neighbours.
func (m *mutator) cases(n *ast.SwitchStmt) {
	if n.Tag != nil {
		return
	}
	var last *ast.CaseClause
	for _, s := range n.Body.List {
		c := s.(*ast.CaseClause)
		if c.List == nil {
			last = nil
			continue
		}
		if m.unmodelled(c.Body) {
			last = nil
			continue
		}
		for _, cond := range c.List {
			m.condition("case", cond)
		}
		if last != nil {
			x, y := m.source(last), m.source(c)
			between := m.text[m.offset(last.End()):m.offset(c.Pos())]
			m.replace(last.Pos(), c.End(), y+between+x,
				fmt.Sprintf("case %s in front of %s", short(m.source(c.List[0])), short(m.source(last.List[0]))))
		}
		last = c
	}
}

// isCheck reports whether a statement is an if or switch that may return.
func (m *mutator) isCheck(s ast.Stmt) bool {
	switch s := s.(type) {
	case *ast.IfStmt:
		return returns(s.Body) && !m.unmodelled(s.Body.List)
	case *ast.SwitchStmt:
		return returns(s.Body)
	}
	return false
}

// unmodelled reports whether statements do nothing but say that the fake has no
// answer, which no trace can expect.
func (m *mutator) unmodelled(list []ast.Stmt) bool {
	if len(list) != 1 {
		return false
	}
	if nested, ok := list[0].(*ast.IfStmt); ok && nested.Else == nil {
		return m.unmodelled(nested.Body.List)
	}
	ret, ok := list[0].(*ast.ReturnStmt)
	if !ok || len(ret.Results) == 0 {
		return false
	}
	s := m.source(ret.Results[len(ret.Results)-1])
	return strings.Contains(s, "mprog.ErrUnsupported") || strings.HasPrefix(s, "unsupported(") ||
		strings.Contains(s, "Supports(")
}

func returns(n ast.Node) (yes bool) {
	ast.Inspect(n, func(n ast.Node) bool {
		_, ret := n.(*ast.ReturnStmt)
		yes = yes || ret
		return !yes
	})
	return yes
}
