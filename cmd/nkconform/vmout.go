package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// testFiles are the flags of a Go test that name files which it writes, in
// -test.outputdir if their names are relative. The log of what it reads is not
// among them: go test would believe it, and not run again for another kernel.
var testFiles = []string{"coverprofile", "cpuprofile", "memprofile", "blockprofile", "mutexprofile", "trace"}

// comesBack returns the files and folders that are to come back from a guest:
// the folders named, which are made, what a Go test writes for its caller, and
// where a program that is built for coverage leaves its counters.
func comesBack(folders, argv, env []string) ([]string, error) {
	var list []string
	for _, dir := range folders {
		if err := os.MkdirAll(dir, 0o777); err != nil {
			return nil, fmt.Errorf("folder for --out: %w", err)
		}
		list = append(list, dir)
	}
	given := map[string]string{}
	for _, arg := range argv[1:] {
		name, value, ok := strings.Cut(strings.TrimLeft(arg, "-"), "=")
		if name, test := strings.CutPrefix(name, "test."); ok && test && value != "" && strings.HasPrefix(arg, "-") {
			given[name] = value
		}
	}
	for _, name := range testFiles {
		file := given[name]
		if file != "" && !filepath.IsAbs(file) {
			file = filepath.Join(given["outputdir"], file)
		}
		list = appendThere(list, file, filepath.Dir(file))
	}
	list = appendThere(list, given["gocoverdir"], given["gocoverdir"])
	for _, v := range env {
		if dir, ok := strings.CutPrefix(v, "GOCOVERDIR="); ok {
			list = appendThere(list, dir, dir)
		}
	}
	return list, nil
}

// appendThere adds a path once, if it is one and there is the folder it needs.
func appendThere(list []string, path, folder string) []string {
	if fi, err := os.Stat(folder); path == "" || err != nil || !fi.IsDir() || slices.Contains(list, path) {
		return list
	}
	return append(list, path)
}
