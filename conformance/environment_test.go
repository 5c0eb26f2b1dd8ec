package conformance_test

import (
	"errors"
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
	runErr  error
	running bool
	outside int             // calls outside of Run
	mute    map[string]bool // by name of program
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
	w.mute[spec.Name] = spec.Mute
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
			w := &watched{Kernel: fake.New(), mute: map[string]bool{}}
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
