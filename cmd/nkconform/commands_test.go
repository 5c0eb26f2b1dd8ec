package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// Everything that help shows is in the tree, and nothing that it hides.
func TestCommandTree(t *testing.T) {
	tree := treeOf(command())
	byName := map[string]commandTree{}
	for _, c := range tree.Commands {
		byName[c.Use] = c
	}
	require.NotContains(t, byName, "commands")
	kernels := byName["kernels"]
	require.NotEmpty(t, kernels.Long)
	require.NotEmpty(t, kernels.Commands)
	doctor := byName["doctor [flags] [USE...]"]
	require.Equal(t, []commandFlag{{Name: "format", Shorthand: "f", Usage: "text or json", Type: "string", Default: "text"}}, doctor.Flags)
}
