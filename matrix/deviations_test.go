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
	}{{"6.1", 2}, {"6.7", 4}, {"6.12", 2}, {"6.16", 11}, {"6.17", 11}, {"6.18", 0}, {"7.3", 0}} {
		run := &report.Run{Name: "fake", Kernel: report.Kernel{Release: c.release + ".0"}}
		for _, s := range chosen {
			run.Add(conformance.Run(fake.New(fake.Linux(c.release)), s))
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
	}
}
