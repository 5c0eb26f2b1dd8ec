package fake

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"strings"
	"testing"

	"github.com/nkconform/nkconform/mprog"
)

var update = flag.Bool("update", false, "write docs/semantics.md")

const semantics = "../docs/semantics.md"

// docs/semantics.md is written from the tables: go test ./fake -run Semantics -update
func TestSemantics(t *testing.T) {
	want := strings.ReplaceAll(semanticsText(t), "\r\n", "\n")
	if *update {
		if err := os.WriteFile(semantics, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(semantics)
	if err != nil {
		t.Fatal(err)
	}
	if strings.ReplaceAll(string(got), "\r\n", "\n") != want {
		t.Error("docs/semantics.md is not what the tables say: run go test ./fake -run Semantics -update")
	}
}

func semanticsText(t *testing.T) string {
	intro, err := os.ReadFile("testdata/semantics.md")
	if err != nil {
		t.Fatal(err)
	}
	families, err := os.ReadFile("../internal/page/families.md") // which the page shows, too
	if err != nil {
		t.Fatal(err)
	}
	pictures, err := os.ReadFile("testdata/pictures.md") // which internal/page writes
	if err != nil {
		t.Fatal(err)
	}
	b := new(strings.Builder)
	b.Write(intro)
	b.WriteString("\n")
	b.Write(families)
	b.WriteString("\n")
	b.Write(pictures)
	fmt.Fprint(b, "\n## What the kernel does\n\n| Id | | Source |\n|---|---|---|\n")
	for _, r := range Behaviours() {
		fmt.Fprintf(b, "| `%s` | %s | %s |\n", r.ID, r.Text, r.Source)
	}
	fmt.Fprint(b, "\n## What the kernel refuses\n\nWithin a section the checks stand in the kernel's order: the first that fails decides.\n")
	sections := ruleSections(t)
	for _, r := range Rules() {
		if title := sections[r.ID]; title != "" {
			fmt.Fprintf(b, "\n### %s\n\n| Id | Errno | Refused unless | Source |\n|---|---|---|---|\n", title)
		}
		text := r.Text
		if r.Since != (Release{}) {
			text += fmt.Sprintf(" Since Linux %s.", r.Since)
		}
		fmt.Fprintf(b, "| `%s` | %s | %s | %s |\n", r.ID, r.Errno, text, r.Source)
	}
	fmt.Fprint(b, "\n## Versions\n\nA kernel of any version may be built without netkit or tcx; then see `attach-type/not-built`.\n"+
		"Where the fields of a command end, and how long bpf_attr is, decides between `attr/tail` and `attr/unknown`. The\n"+
		"numbers were measured on 6.1, 6.12 and every release from 6.16 to 7.3; those of 6.6, 6.7 and 6.9 were not.\n"+
		"That 6.6 has the order of checks of later releases in BPF_PROG_LOAD, but wants CAP_NET_ADMIN itself in a query, was read\n"+
		"in its source. 6.12 was seen to take CAP_SYS_ADMIN; that 6.9 was the first is believed.\n\n"+
		"A release without a third number, such as 6.12, stands for the newest stable update of it that was seen; where none is\n"+
		"named, none was. A row with three numbers holds in its release alone. That anyone may detach without naming a program was\n"+
		"repaired in an update of 6.6, too, of which it is not known which: no update of 6.6 has it here.\n\n"+
		"| From | Newest seen | What is new | Seen | bpf_attr | attach | detach | query | link create | load | pin |\n|---|---|---|---|---|---|---|---|---|---|---|\n")
	for _, row := range generations {
		g, newest := row.since.generation(), ""
		if row.since.update == 0 && row.newest != 0 {
			newest = row.since.Known().String()
			g = row.since.Update(0).generation()
		}
		fmt.Fprintf(b, "| %s | %s | %s | %s | %d | %d | %d | %d | %d | %d | %d |\n",
			row.since, newest, row.what, row.source, g.attrSize, g.attachEnd, g.detachEnd, g.queryEnd, g.linkEnd, g.loadEnd, g.pinEnd)
	}
	return b.String()
}

// ruleSections returns the comment above each block of rules, by the block's
// first rule.
func ruleSections(t *testing.T) map[mprog.Rule]string {
	var decls []ast.Decl
	for _, name := range []string{"rules.go", "rules_objects.go", "rules_tc.go", "rules_cgroup.go"} {
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		decls = append(decls, f.Decls...)
	}
	sections := map[mprog.Rule]string{}
	for _, d := range decls {
		g, ok := d.(*ast.GenDecl)
		if !ok || g.Tok != token.VAR || g.Doc == nil {
			continue
		}
		first := mprog.Rule("")
		ast.Inspect(g, func(n ast.Node) bool {
			if call, ok := n.(*ast.CallExpr); ok && first == "" {
				if id, ok := call.Fun.(*ast.Ident); ok && id.Name == "rule" {
					first = mprog.Rule(strings.Trim(call.Args[0].(*ast.BasicLit).Value, `"`))
				}
			}
			return first == ""
		})
		if first != "" {
			sections[first] = strings.TrimSuffix(strings.TrimSpace(g.Doc.Text()), ".")
		}
	}
	return sections
}
