package intercept_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nkconform/nkconform/intercept"
)

// withoutMain is a test of a program that was not started by Main.
type withoutMain struct {
	testing.TB
	said    string
	skipped string
}

func (t *withoutMain) Helper() {}

func (t *withoutMain) Skip(args ...any) { t.skipped = fmt.Sprint(args...) }

func (t *withoutMain) Fatalf(format string, args ...any) { t.said = fmt.Sprintf(format, args...) }

func TestNewTWithoutMain(t *testing.T) {
	tb := &withoutMain{TB: t}
	require.Nil(t, intercept.NewT(tb))
	require.Contains(t, tb.said, "intercept.Main(m, intercept.Options{})")
	require.Empty(t, tb.skipped)
	require.Nil(t, intercept.NewT(tb, intercept.OrSkip()))
	require.Contains(t, tb.skipped, "not started by intercept.Main")
}
