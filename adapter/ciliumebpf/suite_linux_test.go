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
	"github.com/nkconform/nkconform/report"
	"github.com/nkconform/nkconform/trace"
)

var all = flag.Bool("all", false, "run the whole suite, not only what tells versions of the library apart")

// known are the library's deviations, whatever the hook, and what their failures say.
var known = map[string]string{
	"flags/unknown/detach":                 "came     = revision",
	"detach/empty/loses-to-request-checks": "came     ! ENOENT",
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
	run := &report.Run{Name: "cilium/ebpf"}
	for _, s := range list {
		t.Run(s.ID, func(t *testing.T) {
			env, err := ciliumebpf.New()
			require.NoError(t, err)
			c := report.NewCase(conformance.Run(env, s))
			require.NoError(t, env.Shutdown())
			c.Trace = s.Trace.String()
			judge(&c)
			run.AddCase(c)
			switch c.Status {
			case report.Skipped:
				t.Skip(c.Reason)
			case report.Known:
				t.Logf("known: %s\n%s", c.Reason, c.Failure)
			case report.Failed:
				t.Errorf("%s\n%s", s.Rule, c.Failure)
			}
		})
	}
	var text strings.Builder
	require.NoError(t, report.New(run).Write(&text, report.Text, report.Style{}))
	t.Log("\n" + text.String())
}

// judge marks a deviation that is known, and fails a case that is known to fail and
// does not.
func judge(c *report.Case) {
	message, listed := known[trace.WithoutHook(c.ID)]
	switch {
	case c.Status == report.Failed && listed && strings.Contains(c.Failure.String(), message):
		c.Status, c.Reason = report.Known, "RawDetachProgram leaves out RawDetachProgramOptions.Flags"
	case c.Status == report.Failed && appends && strings.Contains(c.Failure.String(), "flags=replace"):
		c.Status, c.Reason = report.Known, "RawAttachProgram leaves out what ReplaceProgram names"
	case c.Status == report.Passed && listed:
		c.Status, c.Failure = report.Failed, &report.Failure{Detail: "passes, but is known to fail"}
	}
}
