package lockstep

import (
	"runtime/debug"
	"testing"

	"github.com/nkconform/nkconform/fake"
)

// BenchmarkRandom is a step on two fakes.
func BenchmarkRandom(b *testing.B) {
	fake.Terse(true)
	defer fake.Terse(false)
	defer debug.SetGCPercent(debug.SetGCPercent(1000))
	tester := newTester(b, fakes(), fakes())
	for n := uint64(0); tester.Stats.Steps < b.N; n++ {
		if found, err := tester.Random(1, n, 120); found != nil || err != nil {
			b.Fatal(found, err)
		}
	}
	b.ReportMetric(float64(tester.Stats.Steps)/b.Elapsed().Seconds(), "steps/s")
}
