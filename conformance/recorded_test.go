package conformance_test

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nkconform/nkconform/conformance"
	"github.com/nkconform/nkconform/fake"
	"github.com/nkconform/nkconform/mprog"
)

// answeredBy begins the comments of a recorded trace that name the kernels
// which gave its answers: release, machine, features.
const answeredBy = "# Answered by: "

// recordedOn is a kernel as a recorded trace names it.
type recordedOn struct {
	release  string
	features []string
}

func kernelsOf(s conformance.Scenario) []recordedOn {
	var list []recordedOn
	for _, l := range s.Trace.Lines {
		if text, ok := strings.CutPrefix(l.Comment, answeredBy); ok {
			name, features, _ := strings.Cut(text, ", with ")
			release, _, _ := strings.Cut(name, " ")
			list = append(list, recordedOn{release, strings.Fields(features)})
		}
	}
	return list
}

// like returns a fake that is such a kernel.
func (k recordedOn) like(t *testing.T) *fake.Kernel {
	release, err := fake.ParseRelease(k.release)
	require.NoError(t, err)
	options := []fake.Option{fake.Running(release)}
	for _, f := range mprog.Features {
		// Which other kinds of devices there are does not matter to a trace.
		if (f == mprog.FeatureNetkit || f == mprog.FeatureTCX) && !slices.Contains(k.features, string(f)) {
			options = append(options, fake.Without(f))
		}
	}
	return fake.New(options...)
}

// What real kernels have answered, the fake answers: whoever runs this test
// compares it with kernels that are not at hand.
func TestRecorded(t *testing.T) {
	const dir = "../testdata/recorded"
	all, err := conformance.Load(os.DirFS(dir))
	require.NoError(t, err)
	answers := map[string]int{}
	for i, s := range all {
		if testing.Short() && i%10 != 0 {
			continue
		}
		kernels := kernelsOf(s)
		assert.NotEmpty(t, kernels, "%s: no comment %q", s.ID, answeredBy)
		for _, k := range kernels {
			env := k.like(t)
			r := conformance.Run(env, s)
			require.NoError(t, env.Shutdown())
			assert.Equal(t, conformance.Passed, r.Status, "%s on %s: %s%v", s.ID, k.release, r.Reason, r.Failure)
			answers[k.release] += len(s.Trace.Statements())
		}
	}
	t.Logf("%d traces; answers by kernel: %v", len(all), answers)
}
