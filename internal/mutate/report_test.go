package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestReport(t *testing.T) {
	f, err := mutate(write(t, "f.go", "package fake\n\nfunc f() { a(); b(); c(); d(); e() }\n"), none)
	require.NoError(t, err)
	become := func(fates ...fate) map[*mutant]verdict {
		require.Len(t, f.mutants, len(fates))
		verdicts := map[*mutant]verdict{}
		for i, m := range f.mutants {
			verdicts[m] = verdict{fates[i], "attach/a"}
		}
		return verdicts
	}
	known := map[string]string{"f.go f: without c()": "nobody can tell"}
	for _, tc := range []struct {
		name  string
		known map[string]string
		fates map[*mutant]verdict
		want  tally
		errs  []string
	}{
		{"as known", known, become(killed, noticed, survived, invalid, killed), tally{killed: 2, noticed: 1, known: 1, invalid: 1}, nil},
		{"one survives", known, become(killed, survived, survived, killed, killed), tally{killed: 3, known: 1, fresh: 1},
			[]string{"mutants survive"}},
		{"a known one is killed", known, become(killed, killed, noticed, killed, killed), tally{killed: 4, noticed: 1},
			[]string{"known survivor is killed by attach/a: ", "f.go f: without c()"}},
		{"a known one does not compile", known, become(killed, killed, invalid, killed, killed), tally{killed: 4, invalid: 1},
			[]string{"known survivor does not compile: "}},
		{"a known one is gone", map[string]string{"f.go f: without x()": "gone", "other.go f: without x()": "not asked for"},
			become(killed, killed, killed, killed, killed), tally{killed: 5},
			[]string{"known survivor is no mutant: f.go f: without x()"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := newReport(tc.known, false)
			r.file(f, tc.fates)
			err := r.end()
			assert.Equal(t, tc.want, r.total)
			if tc.errs == nil {
				require.NoError(t, err)
			}
			for _, want := range tc.errs {
				require.ErrorContains(t, err, want)
			}
			if err != nil {
				assert.NotContains(t, err.Error(), "other.go")
			}
		})
	}
}

func TestTally(t *testing.T) {
	all := tally{killed: 6, noticed: 1, invalid: 9}
	all.add(tally{known: 2, fresh: 1, killed: 1})
	assert.Equal(t, 11, all.valid(), "what does not compile is no mutant")
	assert.InDelta(t, 63.6, percent(all.killed, all.valid()), 0.05)
	assert.Zero(t, percent(0, 0))
}

func TestReadList(t *testing.T) {
	list, err := readList(write(t, "l", "# Comment.\n\na.go f: x  # why\nb.go  # because # of that\n"))
	require.NoError(t, err)
	assert.Equal(t, map[string]string{"a.go f: x": "why", "b.go": "because # of that"}, list)
	for _, bad := range []string{"a.go\n", "a.go # too near\n", "a.go  # \n", "a  # one\na  # two\n"} {
		_, err := readList(write(t, "l", bad))
		assert.ErrorContains(t, err, "expected what it is about, once", bad)
	}
}
