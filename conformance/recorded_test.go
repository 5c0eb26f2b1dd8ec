package conformance_test

import (
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nkconform/nkconform/conformance"
	"github.com/nkconform/nkconform/internal/recorded"
)

// What real kernels have answered, the fake answers: whoever runs this test
// compares it with kernels that are not at hand.
func TestRecorded(t *testing.T) {
	all, err := recorded.Load(os.DirFS("../testdata/recorded"))
	require.NoError(t, err)
	answers := map[string]int{}
	for i, s := range all {
		if testing.Short() && i%10 != 0 {
			continue
		}
		for _, k := range s.Kernels {
			env, err := k.Fake()
			require.NoError(t, err)
			r := conformance.Run(env, s.Scenario)
			require.NoError(t, env.Shutdown())
			assert.Equal(t, conformance.Passed, r.Status, "%s on %s: %s%v", s.ID, k.Release, r.Reason, r.Failure)
			answers[k.Release] += len(s.Trace.Statements())
		}
	}
	t.Logf("%d traces; answers by kernel: %v", len(all), answers)
}
