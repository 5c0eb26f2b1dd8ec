package picture_test

import (
	"fmt"
	"go/format"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nkconform/nkconform/internal/picture"
)

// roles are the places of variables in the code, by the type that each takes. The first
// that finds a variable decides.
var roles = []struct {
	typ string
	at  *regexp.Regexp
}{
	{"*ebpf.Program", regexp.MustCompile(`(?:Program: +|(?:Replace|Before|After)Program\(|\.Update\()([a-z_]\w*)[,)]`)},
	{"link.Link", regexp.MustCompile(`(?:Before|After)Link\(([a-z_]\w*)\)`)},
	{"*os.File", regexp.MustCompile(`(?:int\(|Path: +)([a-z_]\w*)\.(?:Fd|Name)\(\)`)},
	{"int", regexp.MustCompile(`(?:Target|Interface): +([a-z_]\w*),`)},
	{"uint32", regexp.MustCompile(`\b([a-z_]\w*ID)\b ?[)+]`)},
	{"link.Link", regexp.MustCompile(`([a-z_]\w*)\.(?:Update|Close|Pin|Info)\(`)},
}

// goFunction is code in a function of its own, which gets the variables that it takes.
func goFunction(text string) string {
	var names, params []string
	for _, role := range roles {
		for _, m := range role.at.FindAllStringSubmatch(text, -1) {
			if name := m[1]; !slices.Contains(names, name) && name != "link" && name != "os" {
				names, params = append(names, name), append(params, name+" "+role.typ)
			}
		}
	}
	_, code, _ := strings.Cut("\n"+text, "\n")
	first := code
	if rest, commented := strings.CutPrefix(code, "// "); commented {
		_, first, _ = strings.Cut(rest, "\n")
	}
	made, _, _ := strings.Cut(first, " := ")
	var b strings.Builder
	fmt.Fprintf(&b, "\nfunc _(%s) {\n\t{\n\t\t%s\n", strings.Join(params, ", "), strings.ReplaceAll(text, "\n", "\n\t\t"))
	for _, name := range strings.Split(made, ", ") {
		b.WriteString("\t\t_ = " + name + "\n")
	}
	return b.String() + "\t}\n}\n"
}

// What is written for cilium/ebpf, of every call of the suite, is compiled with it, and
// vetted. Links are detached by newer versions alone than the one that is required here.
func TestGoCodeCompiles(t *testing.T) {
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("no Go to compile with:", err)
	}
	var b strings.Builder
	b.WriteString("package gocode\n\nimport (\n\t\"os\"\n\n\t\"github.com/cilium/ebpf\"\n\t\"github.com/cilium/ebpf/link\"\n)\n\n" +
		"var (\n\t_ = os.Remove\n\t_ ebpf.ProgramID\n\t_ link.ID\n)\n")
	seen := map[string]bool{}
	suite(t, func(_ string, step *picture.Step) {
		for _, c := range step.Code() {
			like := which.ReplaceAllString(c.Text, "0")
			if c.ID != "go" || c.Text == "" || seen[like] || strings.Contains(c.Text, ".Detach()") {
				continue
			}
			seen[like] = true
			b.WriteString(goFunction(c.Text))
		}
	})
	require.Greater(t, len(seen), 500)
	file := filepath.Join(t.TempDir(), "gocode.go")
	require.NoError(t, os.WriteFile(file, []byte(b.String()), 0o644))
	for _, does := range []string{"build", "vet"} {
		c := exec.Command("go", does, file)
		c.Env = append(os.Environ(), "GOOS=linux", "CGO_ENABLED=0")
		out, err := c.CombinedOutput()
		require.NoError(t, err, "go %s: %.3000s", does, out)
	}
	formatted, err := format.Source([]byte(b.String()))
	require.NoError(t, err)
	ours, theirs := strings.Split(b.String(), "\n"), strings.Split(string(formatted), "\n")
	for i := range min(len(ours), len(theirs)) {
		require.Equal(t, theirs[i], ours[i], "it is not as gofmt writes it")
	}
	t.Logf("%d calls compiled", len(seen))
}
