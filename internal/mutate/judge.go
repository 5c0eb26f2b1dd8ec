package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// fate is what became of a mutant.
type fate int

const (
	invalid fate = iota // it does not compile
	killed              // a scenario ends otherwise
	noticed             // none does, but the fake's unit tests fail
	survived
)

type verdict struct {
	fate fate
	by   string // what killed it
}

// court runs the suite on mutants.
type court struct {
	dir  string
	ends string   // the file that says which scenarios are skipped
	all  *program // with every mutant that can be in a program with others

	mu       sync.Mutex
	verdicts map[*mutant]verdict
	killers  map[*declaration][]string // scenarios that killed mutants, latest first
}

// open builds the program with all mutants, and runs the suite on it as it is.
func open(dir string, files []*file) (*court, error) {
	c := &court{
		dir: dir, ends: filepath.Join(dir, "ends.json"),
		verdicts: map[*mutant]verdict{}, killers: map[*declaration][]string{},
	}
	var err error
	if c.all, err = buildAll(filepath.Join(dir, "all"), files); err != nil {
		return nil, err
	}
	if v, err := c.verdict(c.all, 0, nil); err != nil || v.fate != survived {
		return nil, fmt.Errorf("the tests do not pass without a mutant: %s: %w", v.by, err)
	}
	return c, nil
}

// judge tries the mutants of a file, some at once.
func (c *court) judge(f *file, jobs int) (map[*mutant]verdict, error) {
	var (
		wg    sync.WaitGroup
		queue = make(chan *mutant)
		errs  = make([]error, jobs)
	)
	for i := range jobs {
		wg.Go(func() {
			for m := range queue {
				if errs[i] == nil {
					errs[i] = c.try(m, filepath.Join(c.dir, fmt.Sprint(i)))
				}
			}
		})
	}
	for _, m := range f.mutants {
		queue <- m
	}
	close(queue)
	wg.Wait()
	return c.verdicts, errors.Join(errs...)
}

// try runs the suite on a mutant.
func (c *court) try(m *mutant, dir string) error {
	p := c.all
	if !m.combines() {
		var err error
		if p, err = buildOne(dir, m); err != nil {
			return err
		}
	}
	n := p.number[m]
	if n == 0 {
		return nil
	}
	c.mu.Lock()
	first := c.killers[m.decl]
	c.mu.Unlock()
	v, err := c.verdict(p, n, first)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.verdicts[m] = v
	if id, _, ok := strings.Cut(v.by, ": "); ok && v.fate == killed && !slices.Contains(first, id) {
		c.killers[m.decl] = append([]string{id}, first...)
	}
	return nil
}

// slowTests are left out: they check the fake against itself at length, or play
// the suite.
const slowTests = "Linearizable|Scenarios|Concurrent|Semantics"

// verdict runs the suite, and where that notices nothing the unit tests.
func (c *court) verdict(p *program, n int, first []string) (verdict, error) {
	died, out, err := runMutant(n, p.suite, append([]string{c.ends}, first...)...)
	if died || err != nil {
		return verdict{killed, strings.TrimSpace(out)}, err
	}
	died, out, err = runMutant(n, p.units, "-test.short", "-test.failfast", "-test.timeout=60s", "-test.skip="+slowTests)
	if died || err != nil {
		return verdict{noticed, failedTest.FindString(out)}, err
	}
	return verdict{fate: survived}, nil
}

var failedTest = regexp.MustCompile(`(?m)^--- FAIL: \w+|^panic: .*`)

// runMutant runs a program as a mutant, in the folder of the fake.
func runMutant(n int, path string, args ...string) (died bool, out string, err error) {
	cmd := exec.Command(path, args...)
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%d", chosen, n))
	cmd.Dir = "fake"
	text, err := cmd.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		if len(text) == 0 {
			text = []byte(exit.Error())
		}
		return true, string(text), nil
	}
	return false, "", err
}
