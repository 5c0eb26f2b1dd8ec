package ciliumebpf_test

import (
	"errors"
	"flag"
	"reflect"
	"strings"
	"testing"

	"github.com/cilium/ebpf/link"
	"github.com/stretchr/testify/require"

	"github.com/nkconform/nkconform"
	"github.com/nkconform/nkconform/adapter/ciliumebpf"
	"github.com/nkconform/nkconform/conformance"
	"github.com/nkconform/nkconform/kernel"
)

var all = flag.Bool("all", false, "run the whole suite, not only what tells versions of the library apart")

// known are the library's deviations, and what their failures say.
var known = map[string]struct{ came, reason string }{
	"flags/unknown/detach-tcx": {
		"came     = revision", "RawDetachProgram leaves out RawDetachProgramOptions.Flags",
	},
	"detach/empty/loses-to-request-checks-tcx": {
		"came     ! ENOENT", "RawDetachProgram leaves out RawDetachProgramOptions.Flags",
	},
	"flags/unknown/detach": {
		"came     = revision", "RawDetachProgram leaves out RawDetachProgramOptions.Flags",
	},
	"detach/empty/loses-to-request-checks": {
		"came     ! ENOENT", "RawDetachProgram leaves out RawDetachProgramOptions.Flags",
	},
}

// appends is true of versions before v0.22.0, whose RawAttachProgram leaves out what
// ReplaceProgram names. Their links had no Detach.
var appends = func() bool {
	_, detaches := reflect.TypeFor[link.Link]().MethodByName("Detach")
	return !detaches
}()

// The suite through the library, as far as its API goes, on the running kernel.
func TestSuite(t *testing.T) {
	env, err := kernel.New()
	if errors.Is(err, kernel.ErrUnavailable) {
		t.Skip(err)
	}
	require.NoError(t, err)
	require.NoError(t, env.Shutdown())
	patterns := []string{"attach/replace", "flags/unknown", "link-update"}
	if *all {
		patterns = nil
	}
	list, err := conformance.Load(nkconform.Scenarios())
	require.NoError(t, err)
	list, err = conformance.Select(list, patterns...)
	require.NoError(t, err)
	for _, s := range list {
		t.Run(s.ID, func(t *testing.T) {
			env, err := ciliumebpf.New()
			require.NoError(t, err)
			r := conformance.Run(env, s)
			require.NoError(t, env.Shutdown())
			deviation, listed := known[s.ID]
			switch {
			case r.Status == conformance.Skipped:
				t.Skip(r.Reason)
			case r.Status == conformance.Failed && listed && strings.Contains(r.Failure.String(), deviation.came):
				t.Logf("known: %s\n%s", deviation.reason, r.Failure)
			case r.Status == conformance.Failed && appends && strings.Contains(r.Failure.String(), "flags=replace"):
				t.Logf("known: RawAttachProgram leaves out what ReplaceProgram names\n%s", r.Failure)
			case r.Status == conformance.Failed:
				t.Errorf("%s\n%s", s.Rule, r.Failure)
			case listed:
				t.Errorf("passes, but is known to fail: %s", deviation.reason)
			}
		})
	}
}
