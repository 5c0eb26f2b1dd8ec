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

	"github.com/nkconform/nkconform/internal/doctor"
)

func TestParseList(t *testing.T) {
	needs := parseList(`	linux-vdso.so.1 (0x00007ffc5b9f2000)
	libselinux.so.1 => /lib/x86_64-linux-gnu/libselinux.so.1 (0x00007f1)
	libwith space.so => /opt/a b/libwith space.so (0x00007f2)
	/lib64/ld-linux-x86-64.so.2 (0x00007f3)
`)
	assert.Equal(t, Needs{Files: []string{"/lib/x86_64-linux-gnu/libselinux.so.1", "/opt/a b/libwith space.so", "/lib64/ld-linux-x86-64.so.2"}}, needs)
	assert.Equal(t, Needs{Missing: "libgone.so.1"}, parseList("\tlibgone.so.1 => not found\n"))
}

func TestNotFound(t *testing.T) {
	for stderr, want := range map[string]string{
		"./a: error while loading shared libraries: libf.so.1: cannot open shared object file: No such file or directory\n":       "libf.so.1",
		"Error loading shared library libf.so.1: No such file or directory (needed by ./a)\nError relocating ./a: f: not found\n": "libf.so.1",
		"./a: error while loading shared libraries: ./a: invalid ELF header\n":                                                    "./a",
		"Segmentation fault\n": "a part of it: Segmentation fault",
	} {
		assert.Equal(t, want, notFound(stderr))
	}
}

func TestNeedsOfScriptsAndData(t *testing.T) {
	doctor.NeedProgram(t, "/bin/sh", "/usr/bin/env")
	dir := t.TempDir()
	interp := filepath.Join(dir, "interp")
	require.NoError(t, os.WriteFile(interp, nil, 0o755))
	t.Setenv("PATH", dir)
	for _, test := range []struct {
		text    string
		want    []string
		missing string
	}{
		{"#!/bin/sh\necho", []string{"/bin/sh"}, ""},
		{"#!/no/such/shell\necho", nil, "/no/such/shell"},
		{"#! /bin/sh -e\n", []string{"/bin/sh"}, ""},
		{"#!/usr/bin/env interp\n", []string{"/usr/bin/env", interp}, ""},
		{"#!/usr/bin/env -S A=1 interp -x\n", []string{"/usr/bin/env", interp}, ""},
		{"#!/usr/bin/env no-such-interpreter\n", []string{"/usr/bin/env"}, "no-such-interpreter"},
		{"#!\n", nil, ""},
		{"plain text", nil, ""},
		{"", nil, ""},
		{"\x7fELF but not really", nil, ""},
	} {
		file := filepath.Join(dir, "file")
		require.NoError(t, os.WriteFile(file, []byte(test.text), 0o755))
		got, err := Of(file)
		assert.NoError(t, err, "%q", test.text)
		assert.Equal(t, Needs{test.want, test.missing}, got, "%q", test.text)
	}
}

func TestNeedsOfPrograms(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("no ELF programs here")
	}
	doctor.NeedProgram(t, "sh")
	sh, err := exec.LookPath("sh")
	require.NoError(t, err)
	needs, err := Of(sh)
	require.NoError(t, err)
	assert.Empty(t, needs.Missing)
	for _, n := range needs.Files {
		assert.FileExists(t, n)
	}
	// A library that no program names, such as a module of Python, has its own.
	for _, lib := range needs.Files {
		if strings.Contains(filepath.Base(lib), "libc.") {
			of, err := Of(lib)
			require.NoError(t, err)
			assert.NotEmpty(t, of.Files, lib)
		}
	}
}
