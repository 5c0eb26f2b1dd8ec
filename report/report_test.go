package report_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/nkconform/nkconform/conformance"
	"github.com/nkconform/nkconform/report"
)

// hostile is text that every format must quote.
const hostile = `<script>alert("x")</script> & ]]> | ` + "`*_\x1b[31m"

// sample has everything that results can have.
func sample() *report.Results {
	failure := &report.Failure{Line: 3, Statement: "attach nk0:primary a", Expected: "= ok", Came: "! EINVAL", Detail: hostile}
	traceText := "# A rule.\nnetkit nk0 nk1\nattach nk0:primary a\n"
	old := &report.Run{Name: "debian:6.1", Backend: "vm", Image: "debian:6.1",
		Kernel: report.Kernel{Release: "6.1.9", Machine: "x86_64"},
		VM:     &report.VM{Machine: "qemu", Accel: "tcg", Boots: 2, Boot: 1.5, Total: 4}}
	old.AddCase(report.Case{ID: "attach/b", Rule: "B " + hostile, Status: report.Skipped, Reason: "needs " + hostile})
	old.AddCase(report.Case{ID: "absent/a", Rule: "A", Status: report.Passed, Seconds: 0.25})
	mid := &report.Run{Name: "debian:6.12@vng", Backend: "vm", Image: "debian:6.12", Kernel: report.Kernel{Release: "6.12.9", Machine: "x86_64"}}
	mid.AddCase(report.Case{ID: "attach/b", Rule: "B " + hostile, Status: report.Failed, Failure: failure, Trace: traceText})
	mid.AddCase(report.Case{ID: "attach/a", Rule: "A", Status: report.Known, Reason: "fixed in 6.13", Failure: failure, Trace: traceText})
	mid.AddCase(report.Case{ID: "attach/c", Rule: "C", Status: report.NotRun, Reason: "not run: the kernel had failed"})
	mid.Fail("kernel/console", "The kernel complains about nothing.", "WARNING: "+hostile)
	mid.KeepConsole("boot\r\nWARNING " + hostile + "\n")
	again := *mid
	again.Name, again.Stopped = "debian:7.1", "interrupted: 3 of 9 scenarios have run"
	r := report.New(old, mid, &again)
	r.Started, r.Seconds, r.Interrupted = time.Date(2026, 11, 23, 17, 0, 0, 0, time.UTC), 9.5, true
	return r
}

func write(t *testing.T, r *report.Results, f report.Format) string {
	var b bytes.Buffer
	require.NoError(t, r.Write(&b, f, report.Style{}))
	return b.String()
}

func TestJSONReadsBack(t *testing.T) {
	want := sample()
	got, err := report.Decode(strings.NewReader(write(t, want, report.JSON)))
	require.NoError(t, err)
	require.Equal(t, want, got)
	require.Equal(t, report.Count{Passed: 1, Failed: 4, Skipped: 1, Known: 2, NotRun: 2}, got.Count())
	require.False(t, got.OK())
}

// Readers may count on arrays.
func TestJSONOfNothing(t *testing.T) {
	require.Contains(t, write(t, report.Merge(), report.JSON), `"runs": []`)
	r, err := report.Decode(strings.NewReader(`{"schema": 1, "runs": [{"name": "k"}]}`))
	require.NoError(t, err)
	require.Contains(t, write(t, report.Merge(r), report.JSON), `"cases": []`)
}

func TestDecodeRefuses(t *testing.T) {
	for _, tc := range []struct{ text, want string }{
		{``, "decode results: there are none"},
		{`{"schema": 1, "runs": []} {"schema": 1, "runs": []}`, "something follows them: one file holds one object"},
		{`{"schema": 1, "runs": [`, "unexpected EOF"},
		{`{}`, "schema 0, expected 1"},
		{`{"schema": 99}`, "schema 99, expected 1"},
		{`{"schema": 1, "runs": [null]}`, "run 0 has no name"},
		{`{"schema": 1, "runs": [{"cases": []}]}`, "run 0 has no name"},
		{`{"schema": 1, "runs": [{"name": "k", "cases": [{"id": "a", "status": "maybe"}]}]}`, `run k: case 0 has id "a" and status "maybe"`},
		{`{"schema": 1, "runs": [{"name": "k", "cases": [{"id": "a", "status": "failed"}]}]}`, "run k: case a failed without a failure"},
		{`{"schema": 1, "runs": [{"name": "k", "cases": [{"id": "a", "status": "known"}]}]}`, "without a failure"},
		{`{"schema": 1, "runs": [{"name": "k", "cases": [{"id": "a", "status": "passed"}, {"id": "a", "status": "passed"}]}]}`, "run k: a second case a"},
	} {
		_, err := report.Decode(strings.NewReader(tc.text))
		require.ErrorContains(t, err, tc.want, tc.text)
	}
	r, err := report.Decode(strings.NewReader(`{"schema": 1, "runs": [{"name": "k", "passed": 7, "cases": [{"id": "a", "status": "passed"}]}]}`))
	require.NoError(t, err)
	require.Equal(t, 1, r.Count().Passed, "what cases say counts")
}

func TestFormats(t *testing.T) {
	for _, f := range report.Formats {
		got, err := report.ParseFormat(string(f))
		require.NoError(t, err)
		require.Equal(t, f, got)
		require.NotEmpty(t, write(t, sample(), f))
		require.NotEmpty(t, write(t, report.New(), f), "of nothing")
	}
	_, err := report.ParseFormat("yaml")
	require.EqualError(t, err, `unknown format "yaml": expected text, json, junit, html or summary`)
}

func TestText(t *testing.T) {
	text := write(t, sample(), report.Text)
	for _, want := range []string{
		"known 1 scenario on debian:6.12@vng, debian:7.1: fixed in 6.13; attach/a\n",
		"FAIL attach/b on debian:6.12@vng, debian:7.1\n",
		"     line 3: attach nk0:primary a\n       expected = ok\n       came     ! EINVAL\n",
		"debian:6.1       6.1.9    qemu/tcg  1.50 s  0.25 s  4.00 s       1       0        1        0      0  came up at boot 2\n",
		"3 kernels in 9.5 s\n",
		"interrupted: not all scenarios have run\n",
	} {
		require.Contains(t, text, want)
	}
	require.True(t, strings.HasSuffix(text, "\n1 passed, 4 failed, 1 skipped, 2 not run\n"), text)
	require.Less(t, strings.Index(text, "FAIL kernel/console"), strings.Index(text, "FAIL attach/b"), "the kernel as a whole first")
}

// A terminal must not do what a kernel's console says.
func TestTextHasNoControlCharacters(t *testing.T) {
	r := sample()
	r.Runs[1].Stopped = hostile
	for _, r := range []*report.Results{r, report.New(r.Runs[0]), report.New(r.Runs[1])} {
		var b bytes.Buffer
		require.NoError(t, r.Write(&b, report.Text, report.Style{Verbose: true}))
		require.NotContains(t, b.String(), "\x1b")
	}
	var b bytes.Buffer
	require.NoError(t, report.WriteChanges(&b, report.Diff(report.New(), r), report.Style{}))
	require.NoError(t, report.WriteChanges(&b, report.Diff(report.New(r.Runs[0]), report.New(r.Runs[1])), report.Style{}))
	require.NotContains(t, b.String(), "\x1b")
}

func TestTableOfNamesInAnyScript(t *testing.T) {
	text := write(t, report.New(&report.Run{Name: "./ñandú"}, &report.Run{Name: "./nandu"}), report.Text)
	require.Contains(t, text, "\n./ñandú  -        -")
	require.Contains(t, text, "\n./nandu  -        -")
}

func TestTextOfOneRun(t *testing.T) {
	run := sample().Runs[0]
	text := write(t, report.New(run), report.Text)
	require.Contains(t, text, "skip 1: needs ")
	require.Contains(t, text, "debian:6.1 on 6.1.9 (x86_64), qemu/tcg: boot 1.5 s, suite 0.2 s, total 4.0 s, came up at boot 2\n")
	require.NotContains(t, text, "KERNEL", "no table for one")
	var b bytes.Buffer
	require.NoError(t, report.New(run).Write(&b, report.Text, report.Style{Verbose: true, Color: true}))
	require.Contains(t, b.String(), "\x1b[32mpass\x1b[0m absent/a\n")
}

func TestMerge(t *testing.T) {
	a, b := sample(), sample()
	b.Started, b.Seconds, b.Interrupted = b.Started.Add(-time.Hour), 3, false
	b.Runs = b.Runs[:1]
	all := report.Merge(a, b)
	require.Len(t, all.Runs, 4)
	require.Equal(t, "debian:6.1 (2)", all.Runs[3].Name)
	require.Equal(t, "debian:6.1", b.Runs[0].Name, "what is merged stays as it was")
	require.Equal(t, b.Started, all.Started)
	require.InDelta(t, 9.5, all.Seconds, 0)
	require.True(t, all.Interrupted)
	require.Equal(t, a.Count().Failed+b.Count().Failed, all.Count().Failed)
	_, err := report.Decode(strings.NewReader(write(t, all, report.JSON)))
	require.NoError(t, err)
}

func TestStreamInPieces(t *testing.T) {
	var text bytes.Buffer
	s, err := report.NewStreaming(&text, report.Kernel{Release: "7.1", Machine: "x86_64"})
	require.NoError(t, err)
	for _, id := range []string{"a", "b"} {
		require.NoError(t, s.Case(report.NewCase(conformance.Result{ID: id, Rule: "long", Status: conformance.Failed,
			Failure: &conformance.Failure{Line: 3, Detail: "two\nlines"}})))
	}
	var got []report.Case
	r := &report.Receiver{OnCase: func(c report.Case) { got = append(got, c) }}
	for _, b := range text.Bytes() {
		_, err := r.Write([]byte{b})
		require.NoError(t, err)
	}
	require.Equal(t, "7.1", r.Kernel.Release)
	require.Len(t, got, 2)
	require.Equal(t, report.Case{ID: "b", Status: report.Failed, Failure: &report.Failure{Line: 3, Detail: "two\nlines"}}, got[1])
	_, err = r.Write([]byte("not JSON\n"))
	require.ErrorContains(t, err, "read a result")
}

func TestConsoleIsBounded(t *testing.T) {
	var run report.Run
	run.KeepConsole("first\r\n" + strings.Repeat("x", 1<<20) + "\xff last")
	require.Less(t, len(run.Console), 200<<10)
	require.True(t, strings.HasPrefix(run.Console, "first\n"))
	require.True(t, strings.HasSuffix(run.Console, "\uFFFD last"))
}
