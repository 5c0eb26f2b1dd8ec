package main

import (
	"fmt"
	"os"

	"github.com/nkconform/nkconform/conformance"
	"github.com/nkconform/nkconform/intercept"
	"github.com/nkconform/nkconform/intercept/sim"
	"github.com/nkconform/nkconform/mprog"
)

// parseRival reads CALLS=FILE: the statements of a trace, which a rival plays in
// front of calls. Devices that it declares are those of the program.
func parseRival(text string) (intercept.Rival, error) {
	calls, file, err := sim.ParseCalls(text)
	if err != nil {
		return intercept.Rival{}, fmt.Errorf("rival: %w", err)
	}
	statements, err := os.ReadFile(file)
	if err != nil {
		return intercept.Rival{}, fmt.Errorf("rival %q: %w", text, err)
	}
	scenario, err := conformance.Parse(file, string(statements))
	if err != nil {
		return intercept.Rival{}, fmt.Errorf("rival %q: %w", text, err)
	}
	calls.Text = "--rival " + text
	return intercept.Rival{Calls: calls, Act: func(env mprog.Environment) error {
		switch r := conformance.Run(env, scenario); {
		case r.Failure != nil:
			return fmt.Errorf("%s: %s", file, r.Failure)
		case r.Status != conformance.Passed:
			return fmt.Errorf("%s: not played: %s", file, r.Reason)
		}
		return nil
	}}, nil
}
