package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/term"

	"github.com/nkconform/nkconform/conformance"
	"github.com/nkconform/nkconform/harness"
	"github.com/nkconform/nkconform/harness/image"
	"github.com/nkconform/nkconform/report"
)

// progress is where long work tells how it goes: terminals only.
func progress() io.Writer {
	if term.IsTerminal(int(os.Stderr.Fd())) {
		return os.Stderr
	}
	return io.Discard
}

// inVM runs this program with arguments in a kernel, and returns what it
// printed. An exit status that is neither 0 nor exitFailed is an error.
func inVM(ctx context.Context, ref, machine string, c harness.Command) ([]byte, harness.Result, error) {
	img, err := image.Resolve(ctx, ref, image.Options{Progress: progress()})
	if err != nil {
		return nil, harness.Result{}, err
	}
	m, err := harness.Pick(machine, img)
	if err != nil {
		return nil, harness.Result{}, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, harness.Result{}, fmt.Errorf("find this program: %w", err)
	}
	var stdout, stderr bytes.Buffer
	c.Image, c.Stdout, c.Stderr = img, &stdout, &stderr
	c.Argv = append([]string{self}, c.Argv...)
	fmt.Fprintf(progress(), "booting %s (%s)\n", ref, m.Name())
	result, err := m.Run(ctx, c)
	if err != nil {
		return nil, result, err
	}
	if result.ExitStatus != 0 && result.ExitStatus != exitFailed {
		said := strings.TrimPrefix(strings.TrimSpace(stderr.String()), "nkconform: ")
		return nil, result, fmt.Errorf("in the guest of %s: exit status %d: %s", ref, result.ExitStatus, said)
	}
	return stdout.Bytes(), result, nil
}

// runVM runs the scenarios in a kernel booted for it.
func runVM(ctx context.Context, o runOptions, ref string, patterns []string) (*report.Run, error) {
	c := harness.Command{
		Argv:    []string{"run", "--backend", "host", "--format", "json"},
		Timeout: o.timeout,
	}
	if o.scenarios != "" {
		dir, err := filepath.Abs(o.scenarios)
		if err != nil {
			return nil, fmt.Errorf("scenarios: %w", err)
		}
		c.Argv = append(c.Argv, "--scenarios", dir)
		c.Files = append(c.Files, dir)
	}
	c.Argv = append(append(c.Argv, "--"), patterns...)
	out, result, err := inVM(ctx, ref, o.machine, c)
	if errors.Is(err, context.Canceled) {
		return &report.Run{Schema: report.Schema, Backend: o.backend, Interrupted: true}, nil
	}
	if err != nil {
		return nil, err
	}
	r, err := report.Decode(bytes.NewReader(out))
	if err != nil {
		return nil, fmt.Errorf("in the guest of %s: %w", ref, err)
	}
	r.Backend = o.backend
	if len(result.KernelTrouble) > 0 {
		r.Add(conformance.Result{
			ID:     "kernel/console",
			Rule:   "The kernel complains about nothing while the suite runs.",
			Status: conformance.Failed,
			Failure: &conformance.Failure{
				Detail: strings.Join(result.KernelTrouble, "\n") + "\n\nthe whole console:\n" + result.Console,
			},
		})
	}
	return r, nil
}
