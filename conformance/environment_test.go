package conformance_test

import (
	"errors"
	"fmt"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nkconform/nkconform/conformance"
	"github.com/nkconform/nkconform/fake"
	"github.com/nkconform/nkconform/mprog"
)

// watched is a fake that notes how it is used.
type watched struct {
	*fake.Kernel
	runErr     error
	running    bool
	outside    int             // calls outside of Run
	mute, used map[string]bool // by name of program
}

func (w *watched) Run(f func()) error {
	if w.runErr != nil {
		return w.runErr
	}
	w.running = true
	f()
	w.running = false
	return nil
}

func (w *watched) LoadProg(spec mprog.ProgSpec) (uint32, error) {
	if !w.running {
		w.outside++
	}
	w.mute[spec.Name], w.used[spec.Name] = spec.Mute, spec.Used
	return w.Kernel.LoadProg(spec)
}

// A scenario runs where the environment's calls are quick, and its programs tell
// that they ran only where somebody asks.
func TestRunUsesWhatAnEnvironmentOffers(t *testing.T) {
	for _, tc := range []struct {
		name, trace string
		mute        bool
	}{
		{"packets", "attach nk0:primary a = revision 2 [a]\nsend nk0 = packet delivered [a]\n", false},
		{"no packets", "attach nk0:primary a = revision 2 [a]\n", true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := &watched{Kernel: fake.New(), mute: map[string]bool{}, used: map[string]bool{}}
			r := conformance.Run(w, scenario(t, tc.trace))
			require.Equal(t, conformance.Passed, r.Status, "%v", r.Failure)
			assert.Zero(t, w.outside)
			assert.Equal(t, map[string]bool{"a": tc.mute, "b": tc.mute, "c": tc.mute}, w.mute)
		})
	}
}

func TestRunFailsWhereTheEnvironmentCannot(t *testing.T) {
	w := &watched{Kernel: fake.New(), runErr: errors.New("the thread is gone")}
	r := conformance.Run(w, scenario(t, ""))
	assert.Equal(t, conformance.Failed, r.Status)
	assert.Equal(t, "the thread is gone", r.Failure.Detail)
	assert.Equal(t, "dir/case", r.ID)
}

// Programs that have been used before will do only where nobody can tell.
func TestUsedProgramsWillDo(t *testing.T) {
	for _, tc := range []struct {
		name, trace string
		used        bool
	}{
		{"attached", "attach nk0:primary a = revision 2 [a]\nquery nk0:primary = revision 2 [a]\n", true},
		{"linked", "link l nk0:primary a = revision 2 [a@l]\ninfo l\nlink-update l b\nclose l\n", true},
		{"closed", "attach nk0:primary a = revision 2 [a]\nclose a\n", false},
		{"asked about", "info a\n", false},
		{"looked up", "prog-fd x a\n", false},
		{"one above", "attach nk0:primary a flags=before+link+id relative_id=b+1 ! ENOENT\n", false},
		{"copied", "dup x a\n", false},
		{"pinned", "pin /sys/fs/bpf/a a\n", false},
		{"inherited", "process p\n", false},
		{"of another type", "prog x type=xdp\n", false},
		{"refused", "prog a-b ! EINVAL\n", false},
		{"with a long name", "prog abcdefghijklmno\n", false},
		{"with an odd name", "prog a_b\n", false},
		{"packets", "send nk0 = packet delivered []\n", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := &watched{Kernel: fake.New(), mute: map[string]bool{}, used: map[string]bool{}}
			conformance.Run(w, scenario(t, tc.trace))
			assert.Equal(t, tc.used, w.used["a"])
		})
	}
}

// through is a fake behind a library that has errors of its own.
type through struct {
	*fake.Kernel
	wrap func(error) error
}

func (l through) ProgAttach(r mprog.AttachRequest) error {
	if err := l.Kernel.ProgAttach(r); err != nil {
		return l.wrap(err)
	}
	return nil
}

// The system's own errno is an answer; an error without one is told as such.
func TestRunTakesTheSystemsErrno(t *testing.T) {
	s := scenario(t, "attach nk0:primary a expected_revision=9 ! ESTALE\n")
	system := func(error) error { return fmt.Errorf("mylib: attach: %w", syscall.ESTALE) }
	r := conformance.Run(through{fake.New(), system}, s)
	assert.Equal(t, conformance.Passed, r.Status, "%v", r.Failure)

	none := func(error) error { return errors.New("mylib: it did not work") }
	r = conformance.Run(through{fake.New(), none}, s)
	require.Equal(t, conformance.Failed, r.Status)
	assert.Equal(t, "no answer but an error without an errno: mylib: it did not work", r.Failure.Detail)
}
