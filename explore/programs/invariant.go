package programs

import (
	"fmt"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/nkconform/nkconform/intercept"
	"github.com/nkconform/nkconform/mprog"
	"github.com/nkconform/nkconform/trace"
)

// When says when an invariant must hold.
type When int

// Invariants hold from the start, from when they hold first, or in the end.
const (
	Always When = iota
	OnceHeld
	Finally
)

// Invariant is a statement in the language of traces, query HOOK and what it must
// answer, in which programs stand by the names that they were loaded with; or a shell
// command, which says by status 0 that it holds, and reaches the same kernel.
type Invariant struct {
	When  When
	Text  string
	query *trace.Statement // nil: a command
}

var (
	inBrackets = regexp.MustCompile(`\[([^\]]*)\]`)
	isQuery    = regexp.MustCompile(`^\s*query\s`)
)

// ParseInvariant reads one.
func ParseInvariant(when When, text string, devices [][2]string) (Invariant, error) {
	i := Invariant{When: when, Text: strings.TrimSpace(text)}
	if !isQuery.MatchString(text) {
		return i, nil
	}
	var stage strings.Builder
	for _, d := range devices {
		fmt.Fprintf(&stage, "netkit %s %s\n", d[0], d[1])
	}
	declared := map[string]bool{}
	for _, m := range inBrackets.FindAllStringSubmatch(text, -1) {
		for word := range strings.FieldsSeq(m[1]) {
			prog, _, _ := strings.Cut(word, "@")
			if trace.IsName(prog) && !declared[prog] {
				declared[prog] = true
				fmt.Fprintf(&stage, "prog %s\n", prog)
			}
		}
	}
	f, err := trace.Parse("invariant", stage.String()+i.Text+"\n")
	if err != nil {
		return i, fmt.Errorf("invariant %q: %w", i.Text, err)
	}
	list := f.Statements()
	i.query = list[len(list)-1]
	if len(i.query.Answer.Outcomes) == 0 {
		return i, fmt.Errorf("invariant %q: it says nothing of the answer, as = [mine] would", i.Text)
	}
	return i, nil
}

// holds returns "" if the invariant holds, else what is there instead.
func (r *run) ask(i *Invariant) (wrong string, err error) {
	if i.query == nil {
		return r.commands(i.Text)
	}
	at := slices.IndexFunc(r.hooks, func(h hook) bool { return h.name == i.query.Operands[0] })
	if at < 0 {
		return "", fmt.Errorf("invariant %q: there is no hook %s", i.Text, i.query.Operands[0])
	}
	progs, revision, err := r.list(r.hooks[at].Hook)
	errno, ok := mprog.ErrnoOf(err)
	if !ok {
		return "", err
	}
	for _, o := range i.query.Answer.Outcomes {
		if want, given := o.Field("revision"); given && want != strconv.FormatUint(revision, 10) || o.Errno != errno {
			continue
		}
		list := make([]string, len(o.List))
		for n, e := range o.List {
			list[n] = e.Prog
		}
		if !o.Listed || slices.Equal(list, progs) {
			return "", nil
		}
	}
	if errno != 0 {
		return fmt.Sprintf("%s: %s", r.hooks[at].name, errno), nil
	}
	return fmt.Sprintf("%s is at revision %d [%s]", r.hooks[at].name, revision, strings.Join(progs, " ")), nil
}

// commands runs a command.
func (r *run) commands(text string) (wrong string, err error) {
	defer r.catch(&err)
	var out strings.Builder
	c := exec.Command("/bin/sh", "-c", text)
	c.Stdout, c.Stderr = &out, &out
	intercept.Start(r.test, r.kernel, c)
	if err := c.Wait(); err != nil {
		return strings.TrimSpace(fmt.Sprintf("%v %s", err, out.String())), nil
	}
	return "", nil
}
