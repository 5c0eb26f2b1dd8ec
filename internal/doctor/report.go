package doctor

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Use is something that this program is used for.
type Use struct {
	Name   string   `json:"name"` // a word, by which it is asked for
	Is     string   `json:"is"`   // the commands
	Needs  []string `json:"-"`    // names of checks without which it cannot be
	Better []string `json:"-"`    // of those without which a part is missing, or it is slower
}

// Finding is what came of a check.
type Finding struct {
	Name   string `json:"name"`
	Can    bool   `json:"can"`
	Is     string `json:"is"`
	Good   string `json:"good_for"`
	Detail string `json:"detail,omitempty"` // such as a version
	Why    string `json:"missing,omitempty"`
	Get    string `json:"get,omitempty"` // the command that brings it
}

// Verdict is whether something can be used.
type Verdict struct {
	Use
	Can   bool     `json:"can"`
	Lacks []string `json:"lacks"`       // of what it needs
	Short []string `json:"better_with"` // of what it would be better with
}

// Report is what a machine can do.
type Report struct {
	Machine  string    `json:"machine"` // system, release and architecture
	Checks   []Finding `json:"checks"`
	Verdicts []Verdict `json:"uses"`
}

// Examine tries what the uses take; every check must be one of theirs to be tried.
func Examine(machine string, checks []Check, uses []Use) *Report {
	r := &Report{Machine: machine, Checks: []Finding{}, Verdicts: []Verdict{}}
	can := map[string]bool{}
	for _, c := range checks {
		if !slices.ContainsFunc(uses, func(u Use) bool { return slices.Contains(slices.Concat(u.Needs, u.Better), c.Name) }) {
			continue
		}
		f := try(c)
		can[c.Name] = f.Can
		r.Checks = append(r.Checks, f)
	}
	missing := func(names []string) []string {
		list := []string{}
		for _, n := range names {
			if !can[n] {
				list = append(list, n)
			}
		}
		return list
	}
	for _, u := range uses {
		v := Verdict{Use: u, Lacks: missing(u.Needs), Short: missing(u.Better)}
		v.Can = len(v.Lacks) == 0
		r.Verdicts = append(r.Verdicts, v)
	}
	return r
}

func try(c Check) Finding {
	f := Finding{Name: c.Name, Is: c.Is, Good: c.Good}
	detail, err := c.Try()
	var m *Missing
	switch {
	case err == nil:
		f.Can, f.Detail = true, detail
	case errors.As(err, &m):
		f.Why, f.Get = m.Why, m.Get
	default:
		f.Why = err.Error()
	}
	return f
}

// Colours of a terminal.
const (
	green = "\x1b[32m"
	red   = "\x1b[31m"
	bold  = "\x1b[1m"
	plain = "\x1b[0m"
)

// WriteText prints the report for people, in colours if asked to.
func (r *Report) WriteText(w io.Writer, color bool) error {
	paint := func(c, text string) string {
		if !color {
			return text
		}
		return c + text + plain
	}
	mark := func(can bool) string {
		if can {
			return paint(green, "yes")
		}
		return paint(red, "no ")
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\n", r.Machine)
	name, is := 0, 0
	for _, f := range r.Checks {
		name, is = max(name, len(f.Name)), max(is, len(f.Is))
	}
	for _, v := range r.Verdicts {
		name = max(name, len(v.Name))
	}
	for _, f := range r.Checks {
		good := f.Good
		if f.Detail != "" {
			good += " [" + f.Detail + "]"
		}
		fmt.Fprintf(&b, "%s  %-*s  %-*s  %s\n", mark(f.Can), name, f.Name, is, f.Is, good)
		if f.Why != "" {
			fmt.Fprintf(&b, "     %-*s  %s\n", name, "", f.Why)
		}
		if f.Get != "" {
			fmt.Fprintf(&b, "     %-*s  %s\n", name, "", "try: "+paint(bold, f.Get))
		}
	}
	b.WriteByte('\n')
	for _, v := range r.Verdicts {
		fmt.Fprintf(&b, "%s  %-*s  %s%s\n", mark(v.Can), name, v.Name, v.Is, v.words())
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// words say what is missing, as "(needs qemu)", behind a space.
func (v Verdict) words() string {
	switch {
	case len(v.Lacks) > 0:
		return " (needs " + strings.Join(v.Lacks, ", ") + ")"
	case len(v.Short) > 0:
		return " (without " + strings.Join(v.Short, ", ") + ")"
	}
	return ""
}

// Err returns an error that names what cannot be used, or nil.
func (r *Report) Err() error {
	var list []string
	for _, v := range r.Verdicts {
		if !v.Can {
			list = append(list, v.Name+" needs "+strings.Join(v.Lacks, ", "))
		}
	}
	if list == nil {
		return nil
	}
	return errors.New(strings.Join(list, "; "))
}
