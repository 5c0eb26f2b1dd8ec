package conformance

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
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
		s, err := parseScenario(name, string(text))
		if err != nil {
			errs = append(errs, err)
			return nil
		}
		list = append(list, s)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("load scenarios: %w", err)
	}
	if len(errs) == 0 && len(list) == 0 {
		return nil, fmt.Errorf("load scenarios: no file ends in %s", Extension)
	}
	return list, errors.Join(errs...)
}

func parseScenario(name, text string) (Scenario, error) {
	f, err := trace.Parse(name, text)
	if err != nil {
		return Scenario{}, err
	}
	s := Scenario{ID: strings.TrimSuffix(name, Extension), Trace: f}
	for _, l := range f.Lines {
		if l.Comment == "" || l.Statement != nil {
			break
		}
		s.Rule = strings.TrimSpace(s.Rule + " " + strings.TrimSpace(strings.TrimLeft(l.Comment, "#")))
	}
	if s.Rule == "" {
		return s, &trace.Error{File: name, Line: 1, Col: 1,
			Msg: "expected a comment at the top that states the rule in English"}
	}
	return s, nil
}

// Select returns the scenarios that match at least one pattern, or all of
// them without patterns. A pattern is a prefix of ids, or a glob as in
// path.Match for an id or for the folders that it begins with. A pattern that
// matches nothing is an error.
func Select(all []Scenario, patterns ...string) ([]Scenario, error) {
	if len(patterns) == 0 {
		return all, nil
	}
	used := make([]bool, len(patterns))
	var list []Scenario
	for _, s := range all {
		hit := false
		for i, p := range patterns {
			ok, err := matches(p, s.ID)
			if err != nil {
				return nil, fmt.Errorf("pattern %q: %w", p, err)
			}
			if ok {
				used[i], hit = true, true
			}
		}
		if hit {
			list = append(list, s)
		}
	}
	for i, ok := range used {
		if !ok {
			return nil, fmt.Errorf("pattern %q matches none of the %d scenarios: ids begin with %s",
				patterns[i], len(all), strings.Join(folders(all), ", "))
		}
	}
	return list, nil
}

func matches(pattern, id string) (bool, error) {
	if strings.HasPrefix(id, pattern) {
		return true, nil
	}
	for p := id; p != "."; p = path.Dir(p) {
		if ok, err := path.Match(pattern, p); ok || err != nil {
			return ok, err
		}
	}
	return false, nil
}

// folders lists the first parts of the ids.
func folders(all []Scenario) []string {
	var list []string
	for _, s := range all {
		first, _, _ := strings.Cut(s.ID, "/")
		if len(list) == 0 || list[len(list)-1] != first {
			list = append(list, first)
		}
	}
	return list
}
