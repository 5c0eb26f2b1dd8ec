package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// What go test and coverage want to find comes back, and nothing else.
func TestComesBack(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	require.NoError(t, os.Mkdir("counters", 0o755))
	for _, test := range []struct {
		name         string
		folders, env []string
		argv         []string
		want         []string
	}{
		{"nothing", nil, nil, []string{"-test.v", "-test.coverprofile", "file"}, nil},
		{"coverage", nil, nil, []string{"-test.coverprofile=" + dir + "/c.out", "--test.gocoverdir=counters"}, []string{dir + "/c.out", "counters"}},
		{"of the caller's folder", nil, nil, []string{"-test.cpuprofile=cpu", "-test.outputdir=" + dir}, []string{dir + "/cpu"}},
		{"here", nil, nil, []string{"-test.trace=t", "-test.trace=t"}, []string{"t"}},
		{"the log of go test", nil, nil, []string{"-test.testlogfile=" + dir + "/testlog.txt"}, nil},
		{"where there is no folder", nil, []string{"GOCOVERDIR=gone"}, []string{"-test.coverprofile=gone/c.out", "-test.gocoverdir="}, nil},
		{"a program with coverage", nil, []string{"A=1", "GOCOVERDIR=counters"}, nil, []string{"counters"}},
		{"folders", []string{"new/folder", "."}, nil, nil, []string{"new/folder", "."}},
		{"a profile in one of them", []string{"counters"}, []string{"GOCOVERDIR=counters"}, nil, []string{"counters"}},
	} {
		got, err := comesBack(test.folders, append([]string{"x.test"}, test.argv...), test.env)
		require.NoError(t, err, test.name)
		assert.Equal(t, test.want, got, test.name)
	}
	assert.DirExists(t, filepath.Join(dir, "new/folder"))
	require.NoError(t, os.WriteFile("file", nil, 0o644))
	_, err := comesBack([]string{"file"}, []string{"x"}, nil)
	assert.ErrorContains(t, err, "folder for --out: ")
}
