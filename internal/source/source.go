// Package source makes a kernel's own code answer: its files that decide about hooks of
// mprog are taken out of its source, compiled with shims for what they take for granted,
// loaded into this process, and put under the fake's fds, processes and namespaces. No code of a
// kernel is in this repository; it is fetched, or in a tree of the user's.
package source

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/nkconform/nkconform/fake"
	"github.com/nkconform/nkconform/harness/image"
	"github.com/nkconform/nkconform/internal/source/cmutate"
	"github.com/nkconform/nkconform/mprog"
)

// Source is a kernel's source, compiled.
type Source struct {
	Release string // that its Makefile tells, such as 7.3.4
	File    string // what was compiled, for Load
	code    *code
	options []fake.Option
}

// Open finds a source, debian:VERSION or tree:FOLDER, compiles it unless that was done
// before, and loads it. Progress is told on w, which may be nil.
func Open(ctx context.Context, ref string, w io.Writer) (*Source, error) {
	tree, err := find(ctx, ref, w)
	if err != nil {
		return nil, err
	}
	s, err := openTree(ctx, tree, nil, "-O2")
	if err != nil {
		return nil, fmt.Errorf("source %s: %w", ref, err)
	}
	return s, nil
}

// OpenMutants is Open of a source with defects put into it, of which [Source.Mutate] chooses
// one. Those that do not compile are left out.
func OpenMutants(ctx context.Context, ref string, without map[string]bool, w io.Writer) (*Source, []cmutate.Mutant, error) {
	tree, err := find(ctx, ref, w)
	if err != nil {
		return nil, nil, err
	}
	broken := map[string]bool{}
	for {
		m := &cmutate.Mutator{Without: without, Broken: broken}
		s, err := openTree(ctx, tree, func(p piece) string { return m.Text(p.file, p.line, p.text) }, "-O0")
		if err == nil {
			return s, m.Mutants, nil
		}
		was := len(broken)
		for _, at := range mutantError.FindAllStringSubmatch(err.Error(), -1) {
			if n, err := strconv.Atoi(at[1]); err == nil && n <= len(m.Mutants) {
				broken[m.Mutants[n-1].Key()] = true
			}
		}
		if len(broken) == was {
			return nil, nil, fmt.Errorf("source %s with mutants: %w", ref, err)
		}
	}
}

var mutantError = regexp.MustCompile(`(?m)^mutant-(\d+):`)

// Mutate turns a mutant on, in kernels that are made from now on; 0 is none.
func (s *Source) Mutate(number int) { s.code.mutant = number }

// find returns the folder of a source.
func find(ctx context.Context, ref string, w io.Writer) (tree string, err error) {
	if version, ok := strings.CutPrefix(ref, "debian:"); ok {
		return image.SourceFiles(ctx, version, Files, image.Options{Progress: w})
	}
	tree, ok := strings.CutPrefix(ref, "tree:")
	if !ok {
		return "", fmt.Errorf("unknown source %q: expected debian:VERSION or tree:FOLDER", ref)
	}
	for _, file := range Files {
		if _, err := os.Stat(filepath.Join(tree, file)); err != nil {
			return "", fmt.Errorf("source %s: this is no kernel source tree with netkit: %w", ref, err)
		}
	}
	return tree, nil
}

// openTree compiles a tree's files. Change, if not nil, is what becomes of each piece of them;
// level is how much the compiler is to do for speed.
func openTree(ctx context.Context, tree string, change func(piece) string, level string) (*Source, error) {
	makefile, err := os.ReadFile(filepath.Join(tree, "Makefile"))
	if err != nil {
		return nil, err
	}
	release, err := releaseOf(string(makefile))
	if err != nil {
		return nil, err
	}
	text, err := newUnit(tree, change)
	if err != nil {
		return nil, err
	}
	cache, err := image.CacheDir()
	if err != nil {
		return nil, err
	}
	file, err := build(ctx, cache, text, level)
	if err != nil {
		return nil, err
	}
	return Load(file, release)
}

// Load loads what was compiled before, of a release.
func Load(file, release string) (*Source, error) {
	known, err := fake.ParseRelease(release)
	if err != nil {
		return nil, err
	}
	s := &Source{Release: release, File: file}
	if s.code, err = load(file); err != nil {
		return nil, err
	}
	s.options = []fake.Option{fake.Running(known)}
	for _, f := range mprog.Features {
		if !covered[f] {
			s.options = append(s.options, fake.Without(f))
		}
	}
	return s, nil
}

// covered are the features whose code is compiled, or is the stage's.
var covered = map[mprog.Feature]bool{
	mprog.FeatureTCX: true, mprog.FeatureNetkit: true, mprog.FeatureSingle: true, mprog.FeatureVeth: true, mprog.FeatureDummy: true,
}

// releaseOf reads the release in a kernel's Makefile.
func releaseOf(makefile string) (string, error) {
	var parts []string
	for _, name := range []string{"VERSION", "PATCHLEVEL", "SUBLEVEL"} {
		m := regexp.MustCompile(`(?m)^` + name + ` = (\d+)$`).FindStringSubmatch(makefile)
		if m == nil {
			return "", fmt.Errorf("the Makefile does not tell its %s", name)
		}
		parts = append(parts, m[1])
	}
	return strings.Join(parts, "."), nil
}
