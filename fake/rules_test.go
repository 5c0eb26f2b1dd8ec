package fake

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nkconform/nkconform/mprog"
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

// A reason names what was expected and what is there.
func TestReasons(t *testing.T) {
	s := newStage(t, mprog.NetkitPrimary)
	s.put("a b@l")
	s.prog("x", mprog.SchedCLS)
	for _, c := range []struct {
		r    mprog.AttachRequest
		want string
	}{
		{s.attach("x", 0, "", "", 5), "prog attach: expected revision 5, hook is at 3: ESTALE"},
		{s.attach("x", B|A, "a", "", 0), "prog attach: before says position -1, after says position 1: they must agree: ERANGE"},
		{s.attach("x", R|B, "a", "a", 0), "prog attach: replace says position 0, before says position -1: they must agree: ERANGE"},
		{s.attach("x", R, "", "b", 0), "prog attach: program id 3, to be replaced, is owned by link id 1: EBUSY"},
		{s.attach("a", 0, "", "", 0), "prog attach: program id 2 is on the hook already, at position 0: EEXIST"},
		{s.attach("x", A|L, "a", "", 0), "prog attach: relative_fd 4 is program id 2, not a link: EINVAL"},
		{s.attach("x", B, "x", "", 0), "prog attach: before: program id 4 is not on the hook: ENOENT"},
		{s.attach("x", R, "", "x", 0), "prog attach: program id 4, to be replaced, is not on the hook: ENOENT"},
		{s.attach("x", B, "q", "", 0), "prog attach: program id 1 has program type 1, not 3: EINVAL"},
		{mprog.AttachRequest{AttachFD: s.ref("x"), TargetIfindex: s.nk1, AttachType: mprog.NetkitPeer},
			"prog attach: device nk1 (ifindex 2) is the peer of nk0: both hooks are addressed through the primary's ifindex 3: EACCES"},
	} {
		if err := s.k.ProgAttach(c.r); err == nil || err.Error() != c.want {
			t.Errorf("got  %v\nwant %s", err, c.want)
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
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncDecl:
				return n.Name.Name != "refuse"
			case *ast.CompositeLit:
				if isSelector(n.Type, "mprog", "Error") {
					t.Errorf("%s: an mprog.Error outside of refuse", fset.Position(n.Pos()))
				}
			case *ast.CallExpr:
				if isSelector(n.Fun, "errors", "New") {
					t.Errorf("%s: an error without a rule", fset.Position(n.Pos()))
				}
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
