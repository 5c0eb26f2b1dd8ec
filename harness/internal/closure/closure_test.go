package closure

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestParseList(t *testing.T) {
	libs, err := parseList(strings.NewReader(`	linux-vdso.so.1 (0x00007ffc5b9f2000)
	libselinux.so.1 => /lib/x86_64-linux-gnu/libselinux.so.1 (0x00007f1)
	libwith space.so => /opt/a b/libwith space.so (0x00007f2)
	/lib64/ld-linux-x86-64.so.2 (0x00007f3)
`))
	require.NoError(t, err)
	assert.Equal(t, []string{"/lib/x86_64-linux-gnu/libselinux.so.1", "/opt/a b/libwith space.so", "/lib64/ld-linux-x86-64.so.2"}, libs)

	_, err = parseList(strings.NewReader("\tlibgone.so.1 => not found\n"))
	assert.ErrorContains(t, err, "libgone.so.1 not found")
}

func TestNeedsOfScriptsAndData(t *testing.T) {
	dir := t.TempDir()
	interp := filepath.Join(dir, "interp")
	require.NoError(t, os.WriteFile(interp, nil, 0o755))
	t.Setenv("PATH", dir)
	for _, test := range []struct {
		text string
		want []string
		err  string
	}{
		{"#!/bin/sh\necho", []string{"/bin/sh"}, ""},
		{"#! /bin/sh -e\n", []string{"/bin/sh"}, ""},
		{"#!/usr/bin/env interp\n", []string{"/usr/bin/env", interp}, ""},
		{"#!/usr/bin/env -S A=1 interp -x\n", []string{"/usr/bin/env", interp}, ""},
		{"#!/usr/bin/env no-such-interpreter\n", nil, "no-such-interpreter"},
		{"#!\n", nil, ""},
		{"plain text", nil, ""},
		{"", nil, ""},
		{"\x7fELF but not really", nil, ""},
	} {
		file := filepath.Join(dir, "file")
		require.NoError(t, os.WriteFile(file, []byte(test.text), 0o755))
		got, err := Needs(file)
		if test.err != "" {
			assert.ErrorContains(t, err, test.err, "%q", test.text)
			continue
		}
		assert.NoError(t, err, "%q", test.text)
		assert.Equal(t, test.want, got, "%q", test.text)
	}
}

func TestNeedsOfPrograms(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("no ELF programs here")
	}
	sh, err := exec.LookPath("sh")
	require.NoError(t, err)
	needs, err := Needs(sh)
	require.NoError(t, err)
	for _, n := range needs {
		assert.FileExists(t, n)
	}
}
