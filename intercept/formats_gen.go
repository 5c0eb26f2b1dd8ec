//go:build ignore

// This program writes formats.gz: the files named format of tracefs, of several releases.
// On a kernel, "go run formats_gen.go record > 6.18.txt" prints them (or the program built
// of it, in a virtual machine: nkconform vm debian:6.18 -- ./formats_gen record); then
// "go run formats_gen.go 6.12=6.12.txt 6.18=6.18.txt ..." writes formats.gz.
package main

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

func main() {
	var err error
	if slices.Equal(os.Args[1:], []string{"record"}) {
		err = record()
	} else {
		err = write(os.Args[1:])
	}
	if err != nil {
		log.Fatal(err)
	}
}

const tracing = "/sys/kernel/tracing"

func record() error {
	_ = unix.Mount("tracefs", tracing, "tracefs", 0, "") // or it is there already
	files, err := filepath.Glob(tracing + "/events/*/*/format")
	if err != nil {
		return err
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			return err
		}
		name, _ := filepath.Rel(tracing+"/events", filepath.Dir(f))
		fmt.Printf("=== %s\n%s", name, text)
	}
	return nil
}

// write puts releases together: of each tracepoint what is behind the fields that all have,
// once for the releases where it is the same.
func write(recorded []string) error {
	type format struct{ name, text string }
	in := map[format][]string{}
	for _, r := range recorded {
		release, file, _ := strings.Cut(r, "=")
		data, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		for part := range strings.SplitSeq(string(data), "=== ") {
			name, text, found := strings.Cut(part, "\n")
			_, text, common := strings.Cut(text, "\tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;\n\n")
			if !found || !strings.Contains(name, "/") {
				continue
			}
			if !common {
				return fmt.Errorf("%s: %s has other fields in front", file, name)
			}
			in[format{name, text}] = append(in[format{name, text}], release)
		}
	}
	var lines []string
	for f, releases := range in {
		lines = append(lines, "=== "+f.name+" "+strings.Join(releases, " ")+"\n"+f.text)
	}
	slices.Sort(lines)
	var out bytes.Buffer
	z, _ := gzip.NewWriterLevel(&out, gzip.BestCompression)
	if _, err := z.Write([]byte(strings.Join(lines, ""))); err != nil {
		return err
	}
	if err := z.Close(); err != nil {
		return err
	}
	return os.WriteFile("formats.gz", out.Bytes(), 0o644)
}
