package kernel

import (
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Each call runs once and is over when do returns, whether the two sides look,
// sleep, or are about to.
func TestThreadRunsEachCallOnce(t *testing.T) {
	thread, err := startThread(func() error { return nil })
	require.NoError(t, err)
	defer thread.stop()
	pauses := []func(){
		func() {}, runtime.Gosched,
		func() { time.Sleep(threadLook) },
		func() { time.Sleep(2 * threadLook) },
		func() {
			for start := time.Now(); time.Since(start) < threadLook; {
			}
		},
	}
	calls := 0
	for i := range 1000 {
		pauses[i%len(pauses)]()
		thread.do(func() { calls++; pauses[i/len(pauses)%len(pauses)]() })
		require.Equal(t, i+1, calls)
	}
}
