package main

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/nkconform/nkconform"
	"github.com/nkconform/nkconform/conformance"
)

// scenariosUsage is what the flag says that names paths of a choice.
const scenariosUsage = "`FILE.trace`, or folder of such, to play instead of the suite (may be repeated)"

// patternsHelp is what help says of a choice's patterns.
const patternsHelp = `A PATTERN is a prefix of ids, a glob such as 'revision/*/link*', or the id of a
rule such as order/before (docs/semantics.md), or a prefix of such, for the
scenarios that show it.`

// choice is which scenarios to play: those of the suite or, instead, those of .trace
// files and of folders of such; and of these, the ones that match patterns, or have
// certain ids.
type choice struct{ paths, patterns, ids []string }

// addIDs adds the flag by which a guest is told the ids: to find out there which
// scenarios show a rule takes an emulated processor long.
func (c *choice) addIDs(f *pflag.FlagSet) {
	f.StringArrayVar(&c.ids, "id", nil, "in the guest: id of a scenario to play")
	_ = f.MarkHidden("id") // the flag is defined above
}

// idArgs are the arguments for a guest that is to play scenarios.
func idArgs(chosen []conformance.Scenario) []string {
	var args []string
	for _, s := range chosen {
		args = append(args, "--id", s.ID)
	}
	return args
}

// choose divides arguments into paths and patterns. A folder that is also a pattern of
// the suite is a pattern.
func choose(args []string) (c choice) {
	for _, arg := range args {
		if strings.HasSuffix(arg, conformance.Extension) || isFolder(arg) && !isPattern(arg) {
			c.paths = append(c.paths, arg)
		} else {
			c.patterns = append(c.patterns, arg)
		}
	}
	return c
}

func isFolder(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.IsDir()
}

func isPattern(name string) bool {
	_, err := choice{patterns: []string{name}}.load()
	return err == nil
}

// load reads the scenarios. Each has another id: below a folder its path there, and of
// files what they do not have in common.
func (c choice) load() ([]conformance.Scenario, error) {
	all, err := c.all()
	if err != nil {
		return nil, err
	}
	if len(c.ids) > 0 {
		return slices.DeleteFunc(all, func(s conformance.Scenario) bool { return !slices.Contains(c.ids, s.ID) }), nil
	}
	return conformance.Select(all, c.patterns...)
}

func (c choice) all() ([]conformance.Scenario, error) {
	if len(c.paths) == 0 {
		return conformance.Load(nkconform.Scenarios())
	}
	var all []conformance.Scenario
	where := map[string]string{} // of ids
	add := func(s conformance.Scenario, path string) error {
		if other, taken := where[s.ID]; taken {
			return fmt.Errorf("scenarios: %s and %s both have a scenario %s", other, path, s.ID)
		}
		where[s.ID] = path
		all = append(all, s)
		return nil
	}
	root, err := commonFolder(slices.DeleteFunc(slices.Clone(c.paths), isFolder))
	if err != nil {
		return nil, err
	}
	for _, p := range c.paths {
		var list []conformance.Scenario
		if isFolder(p) {
			list, err = conformance.Load(os.DirFS(p))
		} else {
			list, err = loadFile(root, p)
		}
		if err != nil {
			return nil, err
		}
		for _, s := range list {
			if err := add(s, p); err != nil {
				return nil, err
			}
		}
	}
	return all, nil
}

// loadFile reads a .trace file, whose id is its path below a folder.
func loadFile(root, file string) ([]conformance.Scenario, error) {
	if filepath.Ext(file) != conformance.Extension {
		if _, err := os.Stat(file); err != nil {
			return nil, fmt.Errorf("scenarios: %w", err)
		}
		return nil, fmt.Errorf("scenarios: %s is neither a folder nor a file that ends in %s", file, conformance.Extension)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("scenarios: %w", err)
	}
	all, err := conformance.ParseAll(file, string(text))
	if err != nil {
		return nil, err
	}
	abs, err := filepath.Abs(file)
	if err != nil {
		return nil, fmt.Errorf("scenarios: %w", err)
	}
	rel, err := filepath.Rel(root, abs)
	if err != nil {
		return nil, fmt.Errorf("scenarios: %w", err)
	}
	id := strings.TrimSuffix(filepath.ToSlash(rel), conformance.Extension)
	for i := range all { // what distinguishes them stays
		all[i].ID = id + strings.TrimPrefix(all[i].ID, strings.TrimSuffix(file, conformance.Extension))
	}
	return all, nil
}

// commonFolder is the deepest folder that all files are below.
func commonFolder(files []string) (string, error) {
	root := ""
	for i, file := range files {
		abs, err := filepath.Abs(file)
		if err != nil {
			return "", fmt.Errorf("scenarios: %w", err)
		}
		dir := filepath.Dir(abs)
		if i == 0 {
			root = dir
		}
		for !inside(root, dir) {
			root = filepath.Dir(root)
		}
	}
	return root, nil
}

// inside says that a folder is another, or below it.
func inside(root, dir string) bool {
	rel, err := filepath.Rel(root, dir)
	return err == nil && rel != ".." && !strings.HasPrefix(rel, ".."+string(filepath.Separator))
}

// traceFiles lists .trace files: those named, and those below folders that are.
func traceFiles(paths []string) ([]string, error) {
	var files []string
	for _, p := range paths {
		if !isFolder(p) {
			files = append(files, p)
			continue
		}
		err := filepath.WalkDir(p, func(name string, d fs.DirEntry, err error) error {
			if err == nil && !d.IsDir() && path.Ext(name) == conformance.Extension {
				files = append(files, name)
			}
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("scenarios: %w", err)
		}
	}
	return files, nil
}

// absolute are the paths of a choice for a guest, which has them in the same places.
func (c choice) absolute() ([]string, error) {
	var list []string
	for _, p := range c.paths {
		abs, err := filepath.Abs(p)
		if err != nil {
			return nil, fmt.Errorf("scenarios: %w", err)
		}
		list = append(list, abs)
	}
	return list, nil
}
