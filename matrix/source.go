package matrix

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/nkconform/nkconform/harness"
)

// sourcePrefix begins entries that are no kernels to boot but a kernel's own code, which the
// program of the suite runs in a process of its own, as a backend of this name.
const sourcePrefix = "source:"

// noMachine is what such an entry names in the place of a machine.
const noMachine = "process"

// runSource runs the suite's program as it would run in a guest, on another backend.
func runSource(ctx context.Context, c harness.Command) (string, harness.Result, error) {
	argv := slices.Clone(c.Argv)
	if i := slices.Index(argv, "host"); i >= 0 {
		argv[i] = c.Image.Ref
	}
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(c.Timeout, harness.DefaultTimeout))
	defer cancel()
	began := time.Now()
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Stdout, cmd.Stderr = c.Stdout, c.Stderr
	err := cmd.Run()
	res := harness.Result{ExitStatus: cmd.ProcessState.ExitCode(), Total: time.Since(began), Accel: "none"}
	var ended *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return noMachine, res, ctx.Err()
	case err != nil && !errors.As(err, &ended):
		return noMachine, res, fmt.Errorf("run %s: %w", argv[0], err)
	}
	return noMachine, res, nil
}

func isSource(ref string) bool { return strings.HasPrefix(ref, sourcePrefix) }
