package lockstep

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nkconform/nkconform/fake"
	"github.com/nkconform/nkconform/mprog"
)

// An environment that breaks down is a finding, which is shrunk and printed as any
// other, whichever of the two it is.
func TestPanic(t *testing.T) {
	b := Backend{Name: "broken", New: func() (mprog.Environment, error) {
		return broken{Environment: fake.New(), attach: func(e mprog.Environment, r mprog.AttachRequest) error {
			if r.Flags&mprog.Replace != 0 {
				panic("nothing to replace")
			}
			return e.ProgAttach(r)
		}}, nil
	}}
	t.Run("first", func(t *testing.T) {
		small, text := findPanic(t, b, fakes())
		require.Equal(t, "panic: nothing to replace", small.Describe(small.A))
		require.Empty(t, small.B.Panic)
		require.NotContains(t, text, "panic")
	})
	t.Run("second", func(t *testing.T) {
		small, text := findPanic(t, fakes(), b)
		require.Equal(t, "panic: nothing to replace", small.Describe(small.B))
		require.Regexp(t, `\nattach .* flags=\S*replace.* # "panic: nothing to replace"\n$`, text)
	})
}

// findPanic finds and shrinks a sequence at which the two differ, and prints it.
func findPanic(t *testing.T, a, b Backend) (small *Finding, text string) {
	tester := newTester(t, a, b)
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
	text, err = tester.Scenario(small, "# Rule.")
	require.NoError(t, err)
	return small, text
}
