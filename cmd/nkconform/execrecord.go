package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/nkconform/nkconform/conformance"
	"github.com/nkconform/nkconform/fake"
)

// saveRecording writes a recorded trace to a file, after it was played on the
// simulated kernel of the release. What cannot be said in it, and what does not play,
// is told on standard error; ok is false for the latter.
func saveRecording(file, text string, release fake.Release) (ok bool, err error) {
	why := playRecording(file, text, release)
	if why != nil {
		fmt.Fprintf(os.Stderr, "nkconform: the recorded trace does not play on the simulated kernel: %s\n", strings.ReplaceAll(why.Error(), "\n", "; "))
		text = strings.TrimRight(text, "\n") + "\n# Does not play on the simulated kernel: " + strings.ReplaceAll(why.Error(), "\n", "; ") + "\n"
	}
	if n := strings.Count(text, "# cannot be said: "); n > 0 {
		fmt.Fprintf(os.Stderr, "nkconform: %d calls cannot be said in the recorded trace: its comments say which\n", n)
	}
	return why == nil, replace(file, text)
}

// playRecording plays a trace on the simulated kernel. A trace without statements
// plays.
func playRecording(file, text string, release fake.Release) error {
	scenario, err := conformance.Parse(file, text)
	if err != nil {
		return err
	}
	if len(scenario.Trace.Statements()) == 0 {
		return nil
	}
	env := fake.New(append(fake.Lacking(scenario.Trace), fake.Running(release))...)
	defer func() { _ = env.Shutdown() }() // nothing is left of it
	switch r := conformance.Run(env, scenario); {
	case r.Failure != nil:
		return fmt.Errorf("%s", r.Failure)
	case r.Status != conformance.Passed:
		return fmt.Errorf("%s", r.Reason)
	}
	return nil
}
