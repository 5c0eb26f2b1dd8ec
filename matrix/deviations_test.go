package matrix

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nkconform/nkconform"
	"github.com/nkconform/nkconform/conformance"
	"github.com/nkconform/nkconform/fake"
	"github.com/nkconform/nkconform/report"
)

// What released kernels are known for, the fake of the release does as well, and
// nothing else.
func TestFakeDeviatesAsReleases(t *testing.T) {
	known, err := DefaultDeviations()
	require.NoError(t, err)
	chosen, err := conformance.Load(nkconform.Scenarios())
	require.NoError(t, err)
	for _, c := range []struct {
		release string
		known   int
		passes  int // percent at least
	}{
		{"6.1", 3, 3}, {"6.6", 15, 30}, {"6.7", 29, 55}, {"6.12.0", 25, 55}, {"6.12.95", 25, 55}, {"6.12.111", 25, 95}, {"6.12", 6, 95}, {"6.16", 23, 55}, {"6.17", 23, 95},
		{"6.18.7", 23, 95}, {"6.18.15", 4, 95}, {"6.18", 4, 95}, {"7.1", 4, 99}, {"7.2", 0, 99}, {"7.3", 0, 99},
	} {
		k := fake.New(fake.Linux(c.release))
		run := &report.Run{Name: "fake", Kernel: report.Kernel{Release: k.Release(), Machine: report.Simulated}}
		for _, s := range chosen {
			run.Add(conformance.Run(fake.New(append(fake.Lacking(s.Trace), fake.Linux(c.release))...), s))
		}
		known.Apply(run)
		n := 0
		for _, result := range run.Cases {
			assert.NotEqual(t, report.Failed, result.Status, "Linux %s: %s: %v", c.release, result.ID, result.Failure)
			if result.Status == report.Known {
				n++
			}
		}
		assert.Equal(t, c.known, n, "Linux %s", c.release)
		assert.GreaterOrEqual(t, 100*run.Passed/len(chosen), c.passes, "Linux %s: %d of %d", c.release, run.Passed, len(chosen))
	}
}
