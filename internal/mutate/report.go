package main

import (
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
)

// report prints what became of mutants, file by file.
type report struct {
	known   map[string]string // survivors, with the reason
	verbose bool

	total tally
	files map[string]bool
	seen  map[string]bool // keys of mutants
	errs  []error
}

func newReport(known map[string]string, verbose bool) *report {
	fmt.Printf("%-18s %8s %8s %8s %8s %8s\n", "", "mutants", "suite", "units", "known", "survive")
	return &report{known: known, verbose: verbose, files: map[string]bool{}, seen: map[string]bool{}}
}

// file prints what became of a file's mutants.
func (r *report) file(f *file, verdicts map[*mutant]verdict) {
	var t tally
	var fresh []*mutant
	for _, m := range f.mutants {
		v := verdicts[m]
		_, listed := r.known[m.key()]
		r.seen[m.key()] = true
		t.count(v, listed)
		switch {
		case v.fate == survived && !listed:
			fresh = append(fresh, m)
		case (v.fate == killed || v.fate == noticed) && listed:
			r.errs = append(r.errs, fmt.Errorf("known survivor is killed by %s: %s", v.by, m))
		case v.fate == invalid && listed:
			r.errs = append(r.errs, fmt.Errorf("known survivor does not compile: %s", m))
		case (v.fate == killed || v.fate == noticed) && r.verbose:
			fmt.Printf("%s\n    killed by %s\n", m, v.by)
		}
	}
	base := filepath.Base(f.path)
	fmt.Println(t.row(base))
	for _, m := range fresh {
		fmt.Println("    survives:", m)
	}
	r.files[base] = true
	r.total.add(t)
}

// end prints the sum. It fails when a mutant survives that is not known for it,
// or the other way round.
func (r *report) end() error {
	t := r.total
	fmt.Println(t.row("all"))
	fmt.Printf("the suite kills %d of %d mutants, %.1f %%; with the unit tests it is %d, %.1f %%, and without those known to survive %.1f %%\n",
		t.killed, t.valid(), percent(t.killed, t.valid()), t.killed+t.noticed, percent(t.killed+t.noticed, t.valid()),
		percent(t.killed+t.noticed, t.valid()-t.known))
	fmt.Printf("%d more do not compile\n", t.invalid)
	if t.fresh > 0 {
		r.errs = append(r.errs, errors.New("mutants survive"))
	}
	for _, key := range slices.Sorted(maps.Keys(r.known)) {
		if base, _, _ := strings.Cut(key, " "); r.files[base] && !r.seen[key] {
			r.errs = append(r.errs, fmt.Errorf("known survivor is no mutant: %s", key))
		}
	}
	return errors.Join(r.errs...)
}
