// Command suite runs the suite on fakes of several releases, with the answers
// recorded of others, and stops at the first scenario that does not end as it must:
// exit status 1, its id on standard output.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"slices"
	"time"

	"github.com/nkconform/nkconform"
	"github.com/nkconform/nkconform/conformance"
	"github.com/nkconform/nkconform/internal/backend"
	"github.com/nkconform/nkconform/internal/recorded"
	"github.com/nkconform/nkconform/mprog"
)

// Releases that the suite is run on, besides those that have recorded answers.
var releases = []string{"7.3", "6.12", "6.6", "6.1"}

// play is one scenario on one kernel.
type play struct {
	id     string // of the scenario, and the kernel
	make   func() (mprog.Environment, error)
	script conformance.Scenario
}

// Limits of a mutant, which may loop.
const (
	playTime = 10 * time.Second
	heap     = 1 << 30
)

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: suite FILE [ID...]: the file of expected ends, and the scenarios to run first")
		os.Exit(2)
	}
	id, err := run(os.Args[1], os.Args[2:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "suite:", err)
		os.Exit(2)
	}
	if id != "" {
		fmt.Println(id)
		os.Exit(1)
	}
}

// run returns the first scenario that does not end as it must.
func run(file string, first []string) (id string, err error) {
	plays, err := all()
	if err != nil {
		return "", err
	}
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return write(file, plays)
	}
	if err != nil {
		return "", err
	}
	skipped := map[string]bool{}
	if err := json.Unmarshal(text, &skipped); err != nil {
		return "", err
	}
	slices.SortStableFunc(plays, func(a, b play) int { return rank(first, a.id) - rank(first, b.id) })
	watch := time.AfterFunc(playTime, func() { kill("hangs") })
	go func() {
		var m runtime.MemStats
		for range time.Tick(100 * time.Millisecond) {
			if runtime.ReadMemStats(&m); m.HeapAlloc > heap {
				kill("eats memory")
			}
		}
	}()
	for _, p := range plays {
		watch.Reset(playTime)
		want := conformance.Passed
		if skipped[p.id] {
			want = conformance.Skipped
		}
		if status := p.run(); status != want {
			return fmt.Sprintf("%s: %s", p.id, status), nil
		}
	}
	return "", nil
}

// all returns the suite on the newest release, what kernels have answered, and
// the suite on the other releases.
func all() ([]play, error) {
	scenarios, err := conformance.Load(nkconform.Scenarios())
	if err != nil {
		return nil, err
	}
	traces, err := recorded.Load(os.DirFS("../testdata/recorded/releases"))
	if err != nil {
		return nil, err
	}
	var plays []play
	for i, release := range releases {
		of, err := backend.Open(context.Background(), backend.FakePrefix+release, nil)
		if err != nil {
			return nil, err
		}
		for _, s := range scenarios {
			plays = append(plays, play{id: s.ID + " on " + release, script: s, make: func() (mprog.Environment, error) {
				return of.New(s.Trace)
			}})
		}
		if i > 0 {
			continue
		}
		for _, t := range traces {
			for _, k := range t.Kernels {
				plays = append(plays, play{id: "recorded " + t.ID + " on " + k.Release, script: t.Scenario, make: func() (mprog.Environment, error) { return k.Fake() }})
			}
		}
	}
	return plays, nil
}

func kill(why string) {
	fmt.Println(why)
	os.Exit(1)
}

// rank puts those to run first in front.
func rank(first []string, id string) int {
	if i := slices.Index(first, id); i >= 0 {
		return i
	}
	return len(first)
}

// write notes what is skipped. Nothing fails.
func write(file string, plays []play) (id string, err error) {
	skipped := map[string]bool{}
	for _, p := range plays {
		switch status := p.run(); status {
		case conformance.Passed:
		case conformance.Skipped:
			skipped[p.id] = true
		default:
			return fmt.Sprintf("%s: %s", p.id, status), nil
		}
	}
	text, err := json.Marshal(skipped)
	if err != nil {
		return "", err
	}
	return "", os.WriteFile(file, text, 0o644)
}

const panicked conformance.Status = "panic"

func (p play) run() (end conformance.Status) {
	defer func() {
		if recover() != nil {
			end = panicked
		}
	}()
	env, err := p.make()
	if err != nil {
		return conformance.Failed
	}
	r := conformance.Run(env, p.script)
	if err := env.Shutdown(); err != nil {
		return conformance.Failed
	}
	return r.Status
}
