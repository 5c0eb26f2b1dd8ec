package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/nkconform/nkconform/conformance"
	"github.com/nkconform/nkconform/conformance/lockstep"
	"github.com/nkconform/nkconform/internal/backend"
)

const debugFS = "/sys/kernel/debug"

// collectCoverage runs the suite and the fuzzer on the running kernel and
// prints its counters.
func collectCoverage(ctx context.Context, o coverageOptions) error {
	if err := mountDebugFS(debugFS); err != nil {
		return err
	}
	if err := os.WriteFile(debugFS+"/gcov/reset", []byte("1"), 0); err != nil {
		return fmt.Errorf("the kernel is not built with gcov: %w", err)
	}
	if err := runSuite(ctx, o.chosen); err != nil {
		return err
	}
	var c counters
	var err error
	if c.Suite, err = readCounters(); err != nil {
		return err
	}
	a, b, done, err := lockstepBackends(ctx, "fake", "host", "")
	if err != nil {
		return err
	}
	t, err := lockstep.New(a, b)
	if err != nil {
		return errors.Join(err, done())
	}
	f := fuzzer{o: fuzzOptions{seed: o.seed, sequences: o.sequences, steps: 120}, a: a, b: b, t: t, began: time.Now()}
	found, number, err := f.search(ctx)
	if found != nil {
		err = fmt.Errorf("sequence %d shows a difference: run fuzz", number)
	}
	f.summary(ctx)
	if err := errors.Join(err, t.Close(), done()); err != nil {
		return err
	}
	if c.Fuzz, err = readCounters(); err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(c)
}

// runSuite runs every scenario chosen, whatever comes of it.
func runSuite(ctx context.Context, chosen choice) error {
	all, err := chosen.load()
	if err != nil {
		return err
	}
	b, err := backend.Open(ctx, "host", progress())
	if err != nil {
		return err
	}
	passed := 0
	for _, s := range all {
		env, err := b.New(s.Trace)
		if err != nil {
			return err
		}
		if conformance.Run(env, s).Status == conformance.Passed {
			passed++
		}
		if err := env.Shutdown(); err != nil {
			return err
		}
	}
	fmt.Fprintf(os.Stderr, "%d of %d scenarios passed\n", passed, len(all))
	return b.Close()
}

// readCounters reads all .gcda files that the kernel shows.
func readCounters() (map[string][]byte, error) {
	files := map[string][]byte{}
	err := filepath.WalkDir(debugFS+"/gcov", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".gcda" {
			return err
		}
		text, err := os.ReadFile(path)
		files[path[len(debugFS+"/gcov"):]] = text
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the kernel's counters: %w", err)
	}
	return files, nil
}
