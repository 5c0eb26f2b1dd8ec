package main

import (
	"bytes"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nkconform/nkconform/fake"
)

// README shows what explain prints.
func TestExplainInReadme(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	require.NoError(t, err)
	shown := regexp.MustCompile("(?s)```\n\\$ nkconform explain --hook ([^\n]*)\n(.*?)```").FindStringSubmatch(strings.ReplaceAll(string(readme), "\r\n", "\n"))
	require.NotNil(t, shown, "README shows no picture")
	var args []string
	for _, m := range regexp.MustCompile(`'([^']*)'`).FindAllStringSubmatch(shown[1], -1) {
		args = append(args, m[1])
	}
	var out bytes.Buffer
	e := explainer{out: &out, release: fake.Newest}
	require.NoError(t, e.hook(args[0], args[1:], false))
	require.Equal(t, shown[2], out.String())
}
