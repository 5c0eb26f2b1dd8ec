package fake

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"
)

func TestRules(t *testing.T) {
	ids := map[string]bool{}
	for _, r := range Rules() {
		id := string(r.ID)
		group, name, ok := strings.Cut(id, "/")
		if !ok || group == "" || name == "" || id != strings.ToLower(id) || ids[id] {
			t.Errorf("%s: not group/name in lower case, or there twice", id)
		}
		ids[id] = true
		if r.Errno == 0 || !strings.HasSuffix(r.Text, ".") || r.Source == "" {
			t.Errorf("%s: incomplete: %+v", id, r)
		}
	}
}

// Every error of the package names a rule or wraps mprog.ErrUnsupported: only
// refuse makes an mprog.Error, and fmt.Errorf always wraps.
func TestEveryErrorHasARule(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	fset := token.NewFileSet()
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(fset, name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, imp := range f.Imports {
			if imp.Path.Value == `"errors"` {
				t.Errorf("%s: errors.New makes errors without a rule", fset.Position(imp.Pos()))
			}
		}
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncDecl:
				return n.Name.Name != "refuse"
			case *ast.CompositeLit:
				if isSelector(n.Type, "mprog", "Error") {
					t.Errorf("%s: an mprog.Error outside of refuse", fset.Position(n.Pos()))
				}
			case *ast.CallExpr:
				if isSelector(n.Fun, "fmt", "Errorf") &&
					!strings.Contains(n.Args[0].(*ast.BasicLit).Value, "%w") {
					t.Errorf("%s: an error that wraps nothing", fset.Position(n.Pos()))
				}
			}
			return true
		})
	}
}

func isSelector(n ast.Node, pkg, name string) bool {
	sel, ok := n.(*ast.SelectorExpr)
	if !ok {
		return false
	}
	id, ok := sel.X.(*ast.Ident)
	return ok && id.Name == pkg && sel.Sel.Name == name
}
