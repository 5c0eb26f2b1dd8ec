package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
)

// program is the suite, and the fake's unit tests, with mutants of the fake.
type program struct {
	suite  string
	units  string
	number map[*mutant]int // of those that are in it
}

// buildAll builds one program with all mutants that can be in one, and drops
// those that do not compile.
func buildAll(dir string, files []*file) (*program, error) {
	p := newProgram(dir)
	for _, f := range files {
		for _, m := range f.mutants {
			if m.combines() {
				p.number[m] = len(p.number) + 1
			}
		}
	}
	for {
		replaced := map[string]string{filepath.Join(filepath.Dir(files[0].path), "mutants.go"): common}
		where := map[string]map[int]*mutant{}
		for _, f := range files {
			s := together(f, p.number)
			replaced[f.path], where[filepath.Base(f.path)] = s.out.String(), s.where
		}
		out, err := p.build(dir, replaced)
		if err == nil {
			return p, nil
		}
		dropped := 0
		for _, at := range compileError.FindAllStringSubmatch(out, -1) {
			line, _ := strconv.Atoi(at[2])
			if m := where[at[1]][line]; m != nil && p.number[m] != 0 {
				delete(p.number, m)
				dropped++
			}
		}
		if dropped == 0 {
			return nil, fmt.Errorf("the fake with its mutants does not compile: %w\n%s", err, out)
		}
	}
}

var compileError = regexp.MustCompile(`(?m)([a-z_]+\.go):([0-9]+):[0-9]+: `)

// buildOne builds a program that is one mutant.
func buildOne(dir string, m *mutant) (*program, error) {
	p := newProgram(dir)
	if _, err := p.build(dir, map[string]string{m.file.path: m.source(0, len(m.file.text))}); err == nil {
		p.number[m] = 1
	} else if !errors.As(err, new(*exec.ExitError)) {
		return nil, err
	}
	return p, nil
}

func newProgram(dir string) *program {
	return &program{
		suite: filepath.Join(dir, "suite"), units: filepath.Join(dir, "units"), number: map[*mutant]int{},
	}
}

// build builds the program with other texts in place of files, and returns what
// the compiler says.
func (p *program) build(dir string, replaced map[string]string) (string, error) {
	overlay, err := writeOverlay(dir, replaced)
	if err != nil {
		return "", err
	}
	for _, args := range [][]string{
		{"build", "-o", p.suite, "-gcflags=-e", "-overlay", overlay, "./internal/mutate/suite"},
		{"test", "-c", "-vet=off", "-o", p.units, "-gcflags=-e", "-overlay", overlay, "./fake"},
	} {
		if out, err := exec.Command("go", args...).CombinedOutput(); err != nil {
			return string(out), err
		}
	}
	return "", nil
}

// writeOverlay writes the file that tells the go command of other texts for files.
func writeOverlay(dir string, replaced map[string]string) (path string, err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	overlay := map[string]string{}
	for file, text := range replaced {
		abs, err := filepath.Abs(file)
		if err != nil {
			return "", err
		}
		overlay[abs] = filepath.Join(dir, filepath.Base(file))
		if err := os.WriteFile(overlay[abs], []byte(text), 0o644); err != nil {
			return "", err
		}
	}
	list, err := json.Marshal(map[string]any{"Replace": overlay})
	if err != nil {
		return "", err
	}
	path = filepath.Join(dir, "overlay.json")
	return path, os.WriteFile(path, list, 0o644)
}
