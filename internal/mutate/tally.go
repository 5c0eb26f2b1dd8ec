package main

import "fmt"

// tally counts what became of mutants.
type tally struct{ killed, noticed, known, fresh, invalid int }

func (t *tally) count(v verdict, listed bool) {
	switch {
	case v.fate == killed:
		t.killed++
	case v.fate == noticed:
		t.noticed++
	case v.fate == invalid:
		t.invalid++
	case listed:
		t.known++
	default:
		t.fresh++
	}
}

func (t *tally) add(u tally) {
	t.killed += u.killed
	t.noticed += u.noticed
	t.known += u.known
	t.fresh += u.fresh
	t.invalid += u.invalid
}

// valid is how many mutants compile.
func (t tally) valid() int { return t.killed + t.noticed + t.known + t.fresh }

func (t tally) row(name string) string {
	return fmt.Sprintf("%-18s %8d %8d %8d %8d %8d", name, t.valid(), t.killed, t.noticed, t.known, t.fresh)
}

func percent(part, whole int) float64 { return 100 * float64(part) / float64(max(1, whole)) }
