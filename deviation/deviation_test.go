package deviation

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nkconform/nkconform/report"
)

const text = `# What is known.
kernels: debian:6.12 6.1[36].*
case: a/b
message: came     ! EINVAL
reason: fixed
  later

case: a/c
message: EPERM
reason: always
`

func run(name, release string, cases ...report.Case) *report.Run {
	r := &report.Run{Name: name, Kernel: report.Kernel{Release: release}}
	for _, c := range cases {
		r.AddCase(c)
	}
	return r
}

func failed(id, came string) report.Case {
	return report.Case{ID: id, Status: report.Failed, Failure: &report.Failure{Line: 3, Statement: "x", Expected: "= ok", Came: came}}
}

func passed(id string) report.Case { return report.Case{ID: id, Status: report.Passed} }

func TestApply(t *testing.T) {
	list, err := Parse("known", text)
	require.NoError(t, err)
	for _, tc := range []struct {
		name   string
		run    *report.Run
		status report.Status
		tells  string
	}{
		{"as listed", run("debian:6.12", "6.12.5", failed("a/b", "! EINVAL")), report.Known, "fixed later"},
		{"by release", run("x", "6.16.3", failed("a/b", "! EINVAL")), report.Known, "fixed later"},
		{"another kernel", run("debian:7.1", "7.1.2", failed("a/b", "! EINVAL")), report.Failed, ""},
		{"another kernel passes", run("debian:7.1", "7.1.2", passed("a/b")), report.Passed, ""},
		{"passes", run("debian:6.12", "6.12.5", passed("a/b")), report.Failed, "it passes, but known:2 lists it"},
		{"otherwise", run("debian:6.12", "6.12.5", failed("a/b", "! EPERM")), report.Failed, `known:2 lists: expected "came     ! EINVAL"`},
		{"every kernel", run("host", "", failed("a/c", "! EPERM")), report.Known, "always"},
		{"skipped", run("debian:6.12", "", report.Case{ID: "a/b", Status: report.Skipped}), report.Skipped, ""},
		{"not listed", run("debian:6.12", "", passed("a/d")), report.Passed, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			list.Apply(tc.run)
			c := tc.run.Cases[0]
			require.Equal(t, tc.status, c.Status)
			told := c.Reason
			if c.Status == report.Failed {
				told = c.Failure.String()
			}
			require.Contains(t, told, tc.tells)
			n := tc.run.Count
			require.Equal(t, 1, n.Passed+n.Failed+n.Skipped+n.Known)
			require.Equal(t, tc.status == report.Failed, n.Failed == 1)
		})
	}
}

func TestParseErrors(t *testing.T) {
	for _, tc := range []struct{ text, want string }{
		{"case: a\nreason: b\n", `f:1: a deviation without "message"`},
		{"# c\n\ncase: a\nmessage: m\n", `f:3: a deviation without "reason"`},
		{"cases: a\n", `f:1: unknown field "cases"`},
		{"case: a\ncase: b\n", `f:2: a second "case" in one deviation`},
		{"  a\n", "f:1: a continued line without a field before it"},
		{"fake: yes\ncase: a\nmessage: m\nreason: r\n", `f:1: fake "yes": expected no`},
		{"kernels: 6.6..x\ncase: a\nmessage: m\nreason: r\n", `f:1: kernels "6.6..x": "x" is no release`},
		{"kernels: 6.13..6.6\ncase: a\nmessage: m\nreason: r\n", "6.13 is newer than 6.6"},
		{"kernels: [\ncase: a\nmessage: m\nreason: r\n", "f:1: kernel \"[\": syntax error in pattern"},
	} {
		_, err := Parse("f", tc.text)
		require.ErrorContains(t, err, tc.want)
	}
	list, err := Parse("f", "# nothing\n")
	require.NoError(t, err)
	require.Empty(t, list)
}

func TestRanges(t *testing.T) {
	list, err := Parse("known", "kernels: 6.6..6.12.113 6.18.2..6.18.15\nfake: no\ncase: a/b\nmessage: EINVAL\nreason: r\n")
	require.NoError(t, err)
	for release, listed := range map[string]bool{
		"6.5.9": false, "6.6.0": true, "6.10": true, "6.12.95+deb13-amd64": true, "6.12.113": true, "6.12.114": false, "6.13": false,
		"6.18.1": false, "6.18.2": true, "6.18.15-x": true, "6.18.16": false, "": false, "x": false,
	} {
		r := run("x", release, failed("a/b", "! EINVAL"))
		list.Apply(r)
		require.Equal(t, listed, r.Cases[0].Status == report.Known, release)
	}
	r := run("x", "6.10 (simulated)", passed("a/b"))
	r.Kernel.Machine = report.Simulated
	list.Apply(r)
	require.Equal(t, report.Passed, r.Cases[0].Status)
}

func TestUnknown(t *testing.T) {
	list, err := Parse("known", text)
	require.NoError(t, err)
	unknown := list.Unknown([]string{"a/b"})
	require.Len(t, unknown, 1)
	require.Equal(t, "a/c", unknown[0].Case)
}

func FuzzParse(f *testing.F) {
	f.Add(text)
	f.Fuzz(func(t *testing.T, s string) {
		list, err := Parse("f", s)
		for _, d := range list {
			require.NoError(t, err)
			require.NotEmpty(t, d.Case)
			require.NotEmpty(t, d.Message)
		}
	})
}
