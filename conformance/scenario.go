package conformance

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/nkconform/nkconform/trace"
)

// Extension is the ending of scenario files.
const Extension = ".trace"

// Scenario is one rule of the kernel, shown by a trace.
type Scenario struct {
	ID    string // path of the file without its extension
	Rule  string // the comment at the top of the file: the rule in English
	Trace *trace.File
}

// Load reads every scenario below a folder, in the order of their ids. The
// error holds every mistake in every file.
func Load(tree fs.FS) ([]Scenario, error) {
	var list []Scenario
	var errs []error
	err := fs.WalkDir(tree, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || path.Ext(name) != Extension {
			return err
		}
		text, err := fs.ReadFile(tree, name)
		if err != nil {
			return err
		}
		all, err := ParseAll(name, string(text))
		if err == nil && all[0].Rule == "" {
			err = &trace.Error{File: name, Line: 1, Col: 1,
				Msg: "expected a comment at the top that states the rule in English"}
		}
		if err != nil {
			errs = append(errs, err)
			return nil
		}
		list = append(list, all...)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("load scenarios: %w", err)
	}
	if len(errs) == 0 && len(list) == 0 {
		return nil, fmt.Errorf("load scenarios: no file ends in %s", Extension)
	}
	slices.SortStableFunc(list, func(a, b Scenario) int { return strings.Compare(a.ID, b.ID) })
	return list, errors.Join(errs...)
}

// ParseAll reads a scenario and, where it holds on several kinds of hooks (the statement
// "for"), the same for each of them, with an id of its own: the file's for the kind that
// is named first.
func ParseAll(name, text string) ([]Scenario, error) {
	var list []Scenario
	for _, v := range trace.Variants(text) {
		s, err := Parse(name, v.Text)
		if err != nil {
			return nil, err
		}
		s.ID += v.Suffix
		list = append(list, s)
	}
	return list, nil
}

// Parse reads a scenario. Its rule is the comment at the top, "" without one.
func Parse(name, text string) (Scenario, error) {
	f, err := trace.Parse(name, text)
	if err != nil {
		return Scenario{}, err
	}
	if err := checkRules(name, text, f); err != nil {
		return Scenario{}, err
	}
	s := Scenario{ID: strings.TrimSuffix(name, Extension), Trace: f}
	for _, l := range f.Lines {
		if l.Comment == "" || l.Statement != nil {
			break
		}
		s.Rule = strings.TrimSpace(s.Rule + " " + strings.TrimSpace(strings.TrimLeft(l.Comment, "#")))
	}
	return s, nil
}
