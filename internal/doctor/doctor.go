// Package doctor finds out what the machine can do, by doing it, and knows what
// brings what is missing. Commands tell it to their users; tests skip what
// cannot be done, with the same words.
//
// Every try leaves the machine as it was: what it makes lives in namespaces that
// end with it.
package doctor

import (
	"errors"
	"fmt"
	"os/exec"
	"sync"
)

// Check is one thing that a machine can do or not.
type Check struct {
	Name string // a word, by which it is asked for
	Is   string // what it is, in a few words
	Good string // what it is good for here
	// Try does it. It tells something of it, such as a version, or returns an
	// error; one that wraps [Missing] says what to do about it.
	Try func() (detail string, err error)
}

// Missing says why something cannot be done, and the command that changes that.
type Missing struct {
	Why string
	Get string // a command, or "" if there is none
}

func (m *Missing) Error() string {
	if m.Get == "" {
		return m.Why
	}
	return fmt.Sprintf("%s (try: %s)", m.Why, m.Get)
}

// ErrUnknown is wrapped by the error of [Can] for a name that no check has.
var ErrUnknown = errors.New("no such check")

// tried holds what was found out, by name: a func() error.
var tried sync.Map

// Can returns nil if the machine can do what the check of that name tries, and
// otherwise an error that says what is missing. It tries once and remembers.
func Can(name string) error {
	for _, c := range Checks {
		if c.Name != name {
			continue
		}
		once, _ := tried.LoadOrStore(name, sync.OnceValue(func() error {
			_, err := c.Try()
			return err
		}))
		if err := once.(func() error)(); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		return nil
	}
	return fmt.Errorf("%s: %w", name, ErrUnknown)
}

// Skipper is what of a test [Need] uses.
type Skipper interface {
	Helper()
	Skip(args ...any)
	Fatal(args ...any)
}

// NeedProgram skips a test on a machine that lacks one of the programs named, which
// are looked for as exec.LookPath does.
func NeedProgram(t Skipper, names ...string) {
	t.Helper()
	for _, name := range names {
		if _, err := exec.LookPath(name); err != nil {
			t.Skip("needs the program", err)
		}
	}
}

// Need skips a test on a machine that lacks one of the things named, and says
// which and why.
func Need(t Skipper, names ...string) {
	t.Helper()
	for _, name := range names {
		switch err := Can(name); {
		case errors.Is(err, ErrUnknown):
			t.Fatal(err)
		case err != nil:
			t.Skip("needs", err)
		}
	}
}
