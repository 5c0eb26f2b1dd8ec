package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/nkconform/nkconform/conformance"
	"github.com/nkconform/nkconform/harness"
	"github.com/nkconform/nkconform/harness/image"
)

// recordInVM records in a guest, which has the files at the same paths.
func recordInVM(ctx context.Context, o recordOptions, ref string, files []string, chosen []conformance.Scenario) (r recording, err error) {
	argv := append([]string{"record", "--backend", "host", "--print"}, idArgs(chosen)...)
	var absolute []string
	for _, file := range files {
		abs, err := filepath.Abs(file)
		if err != nil {
			return r, err
		}
		absolute = append(absolute, abs)
	}
	img, err := harness.Resolve(ctx, o.machine, ref, image.Options{Progress: progress()})
	if err != nil {
		return r, err
	}
	out, _, err := guestOutput(ctx, o.machine, harness.Command{
		Image: img, Argv: append(append(argv, "--"), absolute...), Files: absolute, Timeout: o.timeout,
	})
	if err != nil {
		return r, err
	}
	var came recording
	if err := json.Unmarshal(out, &came); err != nil {
		return r, fmt.Errorf("in the guest of %s: %w", ref, err)
	}
	for i, file := range files {
		if text, ok := came.Traces[absolute[i]]; ok {
			came.Traces[file] = text
		}
		came.Errors[file] = came.Errors[absolute[i]]
	}
	return came, nil
}

// guestOutput runs this program with the command's arguments in a guest and
// returns what it prints. It must succeed.
func guestOutput(ctx context.Context, machine string, c harness.Command) ([]byte, harness.Result, error) {
	m, err := harness.Pick(machine, c.Image)
	if err != nil {
		return nil, harness.Result{}, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, harness.Result{}, fmt.Errorf("find this program: %w", err)
	}
	var out memory
	c.Argv = append([]string{self}, c.Argv...)
	c.Memory, c.Stdout, c.Stderr = guestMemory, &out, os.Stderr
	res, err := m.Run(ctx, c)
	tellTrouble(os.Stderr, res)
	if err == nil && res.ExitStatus != 0 {
		err = fmt.Errorf("in the guest of %s: exit status %d", c.Image.Ref, res.ExitStatus)
	}
	return out, res, err
}

// memory keeps what is written to it.
type memory []byte

func (m *memory) Write(p []byte) (int, error) {
	*m = append(*m, p...)
	return len(p), nil
}
