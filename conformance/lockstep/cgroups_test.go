package lockstep

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nkconform/nkconform/fake"
	"github.com/nkconform/nkconform/mprog"
)

// Random traces about cgroups are traces, most kinds of statements succeed now and then,
// and a kernel agrees with itself.
func TestCgroupTraces(t *testing.T) {
	b := Backend{Name: "fake", New: func() (mprog.Environment, error) { return fake.New(), nil }}
	statements, succeeded := 0, 0
	for n := range uint64(60) {
		text := CgroupTrace(7, n, 60)
		require.Equal(t, text, CgroupTrace(7, n, 60))
		answers, ok, err := CompareTrace(b, b, "trace", text)
		require.NoError(t, err, "\n%s", text)
		require.Equal(t, answers[0], answers[1])
		statements, succeeded = statements+60, succeeded+ok
	}
	require.Greater(t, succeeded, statements/4)
}

// A kernel that takes cgroups for devices is found out.
func TestCgroupTracesDiffer(t *testing.T) {
	a := Backend{Name: "new", New: func() (mprog.Environment, error) { return fake.New(), nil }}
	b := Backend{Name: "careless", New: func() (mprog.Environment, error) { return careless{fake.New()}, nil }}
	found := 0
	for n := range uint64(20) {
		answers, _, err := CompareTrace(a, b, "trace", CgroupTrace(7, n, 60))
		require.NoError(t, err)
		if answers[0] != answers[1] {
			found++
		}
	}
	require.NotZero(t, found)
}

// careless forgets PREORDER.
type careless struct{ *fake.Kernel }

func (c careless) ProgAttach(r mprog.AttachRequest) error {
	r.Flags &^= mprog.Preorder
	return c.Kernel.ProgAttach(r)
}

// Every call of the small universe is compared, and a kernel that forgets PREORDER is found
// out in two steps.
func TestExhaustiveCgroups(t *testing.T) {
	b := Backend{Name: "fake", New: func() (mprog.Environment, error) { return fake.New(), nil }}
	var e Enumeration
	found, err := ExhaustiveCgroups(t.Context(), b, b, 1, &e)
	require.NoError(t, err)
	require.Nil(t, found)
	require.Greater(t, e.States[1], 20)
	require.Greater(t, e.Transitions, 200)
	require.EqualValues(t, e.Transitions, e.Traces.Int64())

	c := Backend{Name: "careless", New: func() (mprog.Environment, error) { return careless{fake.New()}, nil }}
	found, err = ExhaustiveCgroups(t.Context(), b, c, 2, &e)
	require.NoError(t, err)
	require.NotNil(t, found)
	require.Contains(t, found.Trace, "preorder")
}
