package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// completions are what a shell is offered for a command line, the directive last.
func completions(t *testing.T, line ...string) []string {
	t.Helper()
	c := command()
	var out bytes.Buffer
	c.SetOut(&out)
	c.SetErr(new(bytes.Buffer))
	c.SetArgs(append([]string{"__complete"}, line...))
	require.NoError(t, c.Execute())
	return strings.Split(strings.TrimSpace(out.String()), "\n")
}

func TestCompletions(t *testing.T) {
	for _, tc := range []struct {
		line []string
		want []string // among what is offered
		not  []string // begins no line
	}{
		{[]string{"run", ""}, []string{"revision/", "attach/"}, []string{"revision/s"}},
		{[]string{"run", "revision/st"}, []string{"revision/stale/"}, []string{"attach"}},
		{[]string{"run", "revision/stale/attach-c"}, nil, []string{"revision/stale/d"}},
		{[]string{"list", "nosuch"}, nil, []string{"a", "r"}},
		{[]string{"explain", "order/be"}, []string{"order/before\tBEFORE alone puts a program in front of all; with a relative object, right in front of it."}, []string{"relative"}},
		{[]string{"explain", "cap"}, []string{"capability/"}, nil},
		{[]string{"run", "--backend", ""}, []string{"fake\tthe simulated kernel", "host\tthe running kernel"}, nil},
		{[]string{"run", "--kernel", "6.1"}, []string{"6.1", "6.16"}, []string{"7"}},
		{[]string{"fuzz", "--against", "host"}, []string{"host\tthe running kernel"}, []string{"fake"}},
		{[]string{"exec", "--kernel", "6.6"}, []string{"6.6"}, []string{"7"}},
		{[]string{"matrix", "--vm", ""}, nil, []string{","}},
		{[]string{"run", "--format", ""}, []string{"junit", "html"}, nil},
		{[]string{"doctor", "--format", ""}, []string{"text", "json"}, []string{"junit"}},
		{[]string{"doctor", "e"}, []string{"exec"}, []string{"vm"}},
		{[]string{"exec", "--", "x"}, nil, []string{"x", "debian"}},
		{[]string{"vm", "debian:7.3", "x"}, nil, []string{"debian"}},
	} {
		got := completions(t, tc.line...)
		for _, w := range tc.want {
			assert.Contains(t, got, w, tc.line)
		}
		for _, line := range got {
			for _, n := range tc.not {
				assert.False(t, strings.HasPrefix(line, n), "%q for %q", line, tc.line)
			}
		}
	}
}

// Images of matrix are offered wherever an image goes, whether cached or not.
func TestCompleteImages(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	for prefix, line := range map[string][]string{
		"debian:": {"vm", "debian:7."}, "debian:7": {"matrix", "debian:7."}, "debian:6": {"kernels", "fetch", "debian:6.1"},
		"vm:debian:": {"run", "--backend", "vm:debian:7."},
	} {
		got := completions(t, line...)
		assert.Greater(t, len(got), 2, "%v: %v", line, got)
		for _, g := range got[:len(got)-1] {
			assert.True(t, strings.HasPrefix(g, prefix), "%q for %q", g, line)
		}
	}
}

// Every command is in a group of help.
func TestHelpIsInGroups(t *testing.T) {
	c := command()
	var out bytes.Buffer
	c.SetOut(&out)
	c.SetArgs([]string{"--help"})
	require.NoError(t, c.Execute())
	require.NotContains(t, out.String(), "Additional Commands")
	for _, g := range groups {
		require.Contains(t, out.String(), g.title+":\n")
	}
	require.Contains(t, out.String(), "completion  ")
}
