package report

import (
	"embed"
	"fmt"
	"html/template"
	"io"
	"slices"
	"strings"
	"sync"
)

//go:embed page
var pageFiles embed.FS

// pageTemplate is the page with its style and script put in, so that it is one
// file that asks nothing of any network. It is parsed when the first page is made: the
// command has begun faster by then.
var pageTemplate = sync.OnceValue(func() *template.Template {
	return template.Must(template.New("page.html").Funcs(template.FuncMap{
		"style":  func() template.CSS { return template.CSS(pageFile("page/style.css")) },
		"script": func() template.JS { return template.JS(pageFile("page/script.js")) },
	}).ParseFS(pageFiles, "page/page.html"))
})

func pageFile(name string) string {
	text, err := pageFiles.ReadFile(name)
	if err != nil {
		panic(err) // the embedded paths are constants
	}
	return string(text)
}

// page is what the template shows.
type page struct {
	Verdict     pageSum
	Count       Count
	Started     string
	Took        string
	Interrupted bool
	Kernels     []pageKernel
	Rotate      bool // names too long to stand above their columns
	Groups      []pageGroup
	Rules       int
	Whole       []pageFinding // of kernels as a whole
	Alike       []pageAlike
}

// pageAlike is a group of findings that look as if they had one reason.
type pageAlike struct {
	Group
	Known    bool
	Anchor   string
	Findings []pageFinding
}

type pageKernel struct {
	row
	Prefix  string   // what the names of most kernels begin with
	Label   []string // the rest of the name, in lines
	Console string
	Anchor  string // of the console
}

type pageGroup struct {
	Name  string
	Count int
	Bad   bool // something failed or deviates
	Sums  []pageSum
	Rules []pageRule
}

// pageSum is what a group comes to on one kernel, or everything on all.
type pageSum struct{ Class, Text, Title string }

type pageRule struct {
	ID, Rule string
	Bad      bool // something failed or deviates
	Differs  bool // kernels that ran it do not agree
	Cells    []pageCell
}

// pageCell is a rule on one kernel. Finding is the anchor of what it shows.
type pageCell struct{ Class, Mark, Title, Finding string }

type pageFinding struct {
	Anchor, ID, Rule, Kernels string
	Known                     bool
	Reason                    string
	Trace                     []pageLine
	Failure                   *Failure
	Consoles                  []pageKernel // of the kernels, where the kernel as a whole failed
}

// pageLine is a line of a trace.
type pageLine struct {
	Number int
	Text   string
	Failed bool
}

// html writes the page.
func (r *Results) html(out io.Writer) error {
	p := page{Verdict: r.verdict(), Count: r.Count(), Interrupted: r.Interrupted, Kernels: r.pageKernels()}
	if !r.Started.IsZero() {
		p.Started = r.Started.UTC().Format("2 January 2006, 15:04 UTC")
	}
	if r.Seconds > 0 {
		p.Took = fmt.Sprintf("%.1f s", r.Seconds)
	}
	for _, k := range p.Kernels {
		for _, l := range k.Label {
			p.Rotate = p.Rotate || len(l) > 7
		}
	}
	anchors := map[runCase]string{}
	number := 0
	finding := func(f *Finding) pageFinding {
		number++
		shown := r.pageFinding(f, number, anchors)
		for i, run := range r.Runs {
			if run.Console != "" && slices.Contains(f.Runs, run) && f.Failure.Line == 0 {
				shown.Consoles = append(shown.Consoles, p.Kernels[i])
			}
		}
		return shown
	}
	for _, status := range []Status{Failed, Known} {
		for _, f := range r.findings(status) {
			if f.whole() {
				p.Whole = append(p.Whole, finding(f))
			}
		}
	}
	for i, g := range r.groups() {
		alike := pageAlike{Group: g, Known: g.Status == Known, Anchor: fmt.Sprintf("alike-%d", i+1)}
		for _, f := range g.findings {
			alike.Findings = append(alike.Findings, finding(f))
		}
		p.Alike = append(p.Alike, alike)
	}
	p.Groups = r.pageGroups(anchors)
	for _, g := range p.Groups {
		if g.Name+"/" != wholeKernel {
			p.Rules += len(g.Rules)
		}
	}
	if err := pageTemplate().Execute(out, p); err != nil {
		return fmt.Errorf("write page: %w", err)
	}
	return nil
}

// verdict is all of it in a word or two.
func (r *Results) verdict() pageSum {
	switch count := r.Count(); {
	case !r.OK():
		return pageSum{Class: "f", Text: "deviates"}
	case count.Passed == 0 && count.Known == 0:
		return pageSum{Class: "n", Text: "nothing ran"}
	}
	return pageSum{Class: "p", Text: "conforms"}
}

func (r *Results) pageKernels() []pageKernel {
	rows := r.rows()
	kernels := make([]pageKernel, len(rows))
	same := map[string]int{} // kernels that a file's name alone would name
	for i, o := range rows {
		k := pageKernel{row: o, Console: r.Runs[i].Console, Anchor: fmt.Sprintf("console-%d", i+1)}
		k.Prefix, k.Label = label(o.Name, 1)
		same[k.Label[0]]++
		kernels[i] = k
	}
	for i := range kernels {
		if k := &kernels[i]; same[k.Label[0]] > 1 {
			k.Prefix, k.Label = label(k.Name, 2)
		}
	}
	return kernels
}

// label shortens the name of a kernel: what it begins with, and lines of the rest.
// Of a path the last parts tell, as many as are asked for.
func label(name string, parts int) (prefix string, lines []string) {
	if before, rest, ok := strings.Cut(name, ":"); ok {
		prefix, name = before+":", rest
	}
	lines = strings.FieldsFunc(name, func(r rune) bool { return r == '/' || r == '@' })
	if strings.HasPrefix(name, "/") || strings.HasPrefix(name, ".") {
		file, machine, _ := strings.Cut(name, "@")
		lines = strings.Split(strings.Trim(file, "/"), "/")
		lines = lines[max(0, len(lines)-parts):]
		if machine != "" {
			lines = append(lines, machine)
		}
	}
	if len(lines) == 0 {
		lines = []string{name}
	}
	return prefix, lines
}

// pageFinding shows a finding, and notes where.
func (r *Results) pageFinding(f *Finding, n int, anchors map[runCase]string) pageFinding {
	p := pageFinding{
		Anchor: fmt.Sprintf("finding-%d", n), ID: f.ID, Rule: f.Rule, Kernels: r.names(f.Runs),
		Known: f.Status == Known, Reason: f.Reason, Failure: f.Failure,
	}
	for _, run := range f.Runs {
		anchors[runCase{run, f.ID}] = p.Anchor
	}
	number := 0
	for line := range strings.Lines(f.Trace) {
		number++
		p.Trace = append(p.Trace, pageLine{number, strings.TrimRight(line, "\n"), number == f.Failure.Line})
	}
	return p
}
