package lockstep

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nkconform/nkconform/fake"
	"github.com/nkconform/nkconform/mprog"
)

// An environment that breaks down is a finding, which is shrunk as any other.
func TestPanic(t *testing.T) {
	b := Backend{Name: "broken", New: func() (mprog.Environment, error) {
		return broken{Environment: fake.New(), attach: func(e mprog.Environment, r mprog.AttachRequest) error {
			if r.Flags&mprog.Replace != 0 {
				panic("nothing to replace")
			}
			return e.ProgAttach(r)
		}}, nil
	}}
	tester := newTester(t, b, fakes())
	var found *Finding
	for n := uint64(0); found == nil && n < 100; n++ {
		var err error
		found, err = tester.Random(3, n, 100)
		require.NoError(t, err)
	}
	require.NotNil(t, found)
	small, again, err := tester.Shrink(context.Background(), found)
	require.NoError(t, err)
	require.True(t, again)
	require.Len(t, small.Steps, 1)
	require.Equal(t, "panic: nothing to replace", small.Describe(small.A))
	require.Empty(t, small.B.Panic)
}
