// Command mutate measures the suite: it puts one small defect after the other
// into the fake (conditions, bounds, errnos, flags, order of checks, statements
// left out) and runs the suite on it. A mutant that the suite does not notice
// must stand, with the reason, in the file of known survivors, and a known
// survivor must survive.
//
// Run it with the folder of the repository as the current one.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

func main() {
	var o options
	flag.BoolVar(&o.verbose, "v", false, "name what killed each mutant")
	flag.BoolVar(&o.list, "list", false, "list the mutants, and run nothing")
	flag.IntVar(&o.jobs, "j", runtime.NumCPU(), "mutants at once")
	flag.StringVar(&o.known, "known", "internal/mutate/survivors.txt", "file of known survivors")
	flag.StringVar(&o.leftOut, "left-out", "internal/mutate/left-out.txt", "file of files and functions that are no model")
	flag.Usage = func() {
		fmt.Fprintln(flag.CommandLine.Output(), "usage: mutate [flags] [FILE...]\n\nexample: go run ./internal/mutate fake/mprog.go")
		flag.PrintDefaults()
	}
	flag.Parse()
	o.files = flag.Args()
	if err := run(o); err != nil {
		fmt.Fprintln(os.Stderr, "mutate:", err)
		os.Exit(1)
	}
}

type options struct {
	files          []string
	known, leftOut string
	jobs           int
	verbose, list  bool
}

func run(o options) error {
	known, err := readList(o.known)
	if err != nil {
		return err
	}
	files, err := model(o)
	if err != nil {
		return err
	}
	if o.list {
		for _, f := range files {
			for _, m := range f.mutants {
				fmt.Println(m)
			}
		}
		return nil
	}
	dir, err := os.MkdirTemp("", "mutate-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	court, err := open(dir, files)
	if err != nil {
		return err
	}
	r := newReport(known, o.verbose)
	for _, f := range files {
		verdicts, err := court.judge(f, o.jobs)
		if err != nil {
			return err
		}
		r.file(f, verdicts)
	}
	return r.end()
}

// model reads the files named, or all of the fake, but for what is left out.
func model(o options) ([]*file, error) {
	leftOut, err := readList(o.leftOut)
	if err != nil {
		return nil, err
	}
	paths := o.files
	if len(paths) == 0 {
		if paths, err = filepath.Glob("fake/*.go"); err != nil {
			return nil, err
		}
	}
	var files []*file
	used := map[string]bool{}
	for _, path := range paths {
		base := filepath.Base(path)
		if _, out := leftOut[base]; out || strings.HasSuffix(base, "_test.go") {
			used[base] = true
			continue
		}
		f, err := mutate(path, func(name string) bool {
			_, out := leftOut[base+" "+name]
			used[base+" "+name] = used[base+" "+name] || out
			return out
		})
		if err != nil {
			return nil, err
		}
		files = append(files, f)
	}
	if len(files) == 0 {
		return nil, errors.New("no file to mutate")
	}
	for key := range leftOut {
		if len(o.files) == 0 && !used[key] {
			return nil, fmt.Errorf("%s: there is no %s", o.leftOut, key)
		}
	}
	return files, nil
}
