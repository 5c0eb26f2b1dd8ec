package main

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nkconform/nkconform/harness"
	"github.com/nkconform/nkconform/harness/image"
	"github.com/nkconform/nkconform/intercept"
	"github.com/nkconform/nkconform/internal/doctor"
	"github.com/nkconform/nkconform/kernel"
)

// Uses ask for checks that there are.
func TestUses(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("most checks are Linux's")
	}
	var names []string
	for _, c := range checks() {
		names = append(names, c.Name)
	}
	for _, u := range uses {
		require.Subset(t, names, slices.Concat(u.Needs, u.Better), u.Name)
	}
	for _, name := range names {
		require.True(t, slices.ContainsFunc(uses, func(u doctor.Use) bool {
			return slices.Contains(slices.Concat(u.Needs, u.Better), name)
		}), "nobody needs %s", name)
	}
}

// What a machine lacks points to doctor, and nothing else does.
func TestHint(t *testing.T) {
	for _, err := range []error{kernel.ErrUnavailable, intercept.ErrUnavailable, image.ErrUnavailable, &harness.UnavailableError{}} {
		require.Contains(t, hint(fmt.Errorf("this: %w", err)), "nkconform doctor")
	}
	require.Empty(t, hint(errors.New("a typo")))
}
