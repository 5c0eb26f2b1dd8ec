package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
)

// covered is the coverage of one source file, by line.
type covered map[int]*coveredLine

type coveredLine struct {
	function string
	count    int
	branches []int // how often each was taken
}

// of are the source files that matter, as their names end.
var of = []string{"kernel/bpf/mprog.c", "include/linux/bpf_mprog.h", "drivers/net/netkit.c", "kernel/bpf/tcx.c", "include/net/tcx.h"}

// gcovOutput is what gcov prints with --json-format.
type gcovOutput struct {
	Files []struct {
		File  string
		Lines []struct {
			LineNumber   int    `json:"line_number"`
			Count        int    `json:"count"`
			FunctionName string `json:"function_name"`
			Branches     []struct {
				Count int `json:"count"`
			}
		}
	}
}

// readCoverage lets gcov interpret counters. Every .gcda needs the .gcno that
// the compiler has left in the tree.
func readCoverage(ctx context.Context, tree string, files map[string][]byte) (map[string]covered, error) {
	dir, err := os.MkdirTemp("", "nkconform-coverage-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	all := map[string]covered{}
	for _, path := range slices.Sorted(maps.Keys(files)) {
		note := strings.TrimSuffix(path, ".gcda") + ".gcno"
		base := filepath.Join(dir, filepath.Base(note))
		text, err := os.ReadFile(note)
		if err == nil {
			err = os.WriteFile(base, text, fs.ModePerm)
		}
		if err == nil {
			err = os.WriteFile(strings.TrimSuffix(base, ".gcno")+".gcda", files[path], fs.ModePerm)
		}
		if err != nil {
			return nil, fmt.Errorf("coverage: %w", err)
		}
		cmd := exec.CommandContext(ctx, "gcov", "--json-format", "--stdout", "--branch-probabilities", base)
		cmd.Dir = tree
		out, err := cmd.Output()
		if err != nil {
			return nil, fmt.Errorf("gcov: %w", err)
		}
		var g gcovOutput
		if err := json.Unmarshal(out, &g); err != nil {
			return nil, fmt.Errorf("gcov: %w", err)
		}
		g.add(all)
	}
	return all, nil
}

// add adds up what several objects say of the same header.
func (g gcovOutput) add(all map[string]covered) {
	for _, f := range g.Files {
		i := slices.IndexFunc(of, func(end string) bool { return strings.HasSuffix(f.File, end) })
		if i < 0 {
			continue
		}
		file := all[of[i]]
		if file == nil {
			file = covered{}
			all[of[i]] = file
		}
		for _, l := range f.Lines {
			line := file[l.LineNumber]
			if line == nil {
				line = &coveredLine{function: l.FunctionName}
				file[l.LineNumber] = line
			}
			line.count += l.Count
			for i, b := range l.Branches {
				if i >= len(line.branches) {
					line.branches = append(line.branches, 0)
				}
				line.branches[i] += b.Count
			}
		}
	}
}

// ratio is so many of so many.
type ratio struct{ n, of int }

func (r ratio) String() string {
	if r.of == 0 {
		return "-"
	}
	return fmt.Sprintf("%d of %d (%.1f%%)", r.n, r.of, 100*float64(r.n)/float64(r.of))
}

func (c covered) lines(function string) (lines, branches ratio) {
	for _, l := range c {
		if function != "" && l.function != function {
			continue
		}
		if lines.of++; l.count > 0 {
			lines.n++
		}
		for _, b := range l.branches {
			if branches.of++; b > 0 {
				branches.n++
			}
		}
	}
	return lines, branches
}

func (c covered) functions() []string {
	first := map[string]int{}
	for n, l := range c {
		if at, ok := first[l.function]; !ok || n < at {
			first[l.function] = n
		}
	}
	return slices.SortedFunc(maps.Keys(first), func(a, b string) int { return cmp.Compare(first[a], first[b]) })
}

// printCoverage prints one line a file, and one a function.
func printCoverage(suite, both map[string]covered) {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "\tlines, suite\tbranches, suite\tlines, with fuzzer\tbranches, with fuzzer")
	row := func(name, file, function string) {
		l1, b1 := suite[file].lines(function)
		l2, b2 := both[file].lines(function)
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", name, l1, b1, l2, b2)
	}
	for _, file := range of {
		if both[file] == nil {
			continue
		}
		row(file, file, "")
		for _, f := range both[file].functions() {
			row("  "+f, file, f)
		}
	}
	w.Flush()
}

// printMissing lists lines that never ran and branches that were never taken.
func printMissing(tree string, all map[string]covered) error {
	for _, file := range of {
		c := all[file]
		if c == nil {
			continue
		}
		f, err := os.Open(filepath.Join(tree, file))
		if err != nil {
			return err
		}
		fmt.Printf("\nnot reached in %s:\n", file)
		text := bufio.NewScanner(f)
		for n := 1; text.Scan(); n++ {
			l := c[n]
			switch {
			case l == nil:
			case l.count == 0:
				fmt.Printf("%5d  never   %s\n", n, text.Text())
			case slices.Contains(l.branches, 0):
				fmt.Printf("%5d  branch %v  %s\n", n, l.branches, text.Text())
			}
		}
		if err := f.Close(); err != nil {
			return err
		}
	}
	return nil
}
