package report_test

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nkconform/nkconform"
	"github.com/nkconform/nkconform/conformance"
	"github.com/nkconform/nkconform/fake"
	"github.com/nkconform/nkconform/internal/careless"
	"github.com/nkconform/nkconform/report"
)

// ofCareless is the suite on a library that makes two mistakes.
func ofCareless(t *testing.T) *report.Results {
	all, err := conformance.Load(nkconform.Scenarios())
	require.NoError(t, err)
	run := &report.Run{Name: "careless", Backend: "careless"}
	for _, s := range all {
		c := report.NewCase(conformance.Run(careless.New(fake.Lacking(s.Trace)...), s))
		if c.Seconds = 0; c.Status == report.Failed {
			c.Trace = s.Trace.String()
		}
		run.AddCase(c)
	}
	return report.New(run)
}

// Under thirty lines say both mistakes, and show the smallest scenario of each.
func TestTextOfTwoMistakes(t *testing.T) {
	text := write(t, ofCareless(t), report.Text)
	t.Log("\n" + text)
	require.Less(t, strings.Count(text, "\n"), 30)
	for _, want := range []string{
		" scenarios: as if relative_fd and relative_id were mixed up (attach, link); smallest: ",
		" scenarios: as if flags were left out (detach); smallest: ",
		"2 groups of failures:\n",
	} {
		require.Contains(t, text, want)
	}
	require.Equal(t, 2, strings.Count(text, "FAIL "))
}

// Groups are in every format, and each leads to its smallest scenario.
func TestGroupsInEveryFormat(t *testing.T) {
	small := report.New(&report.Run{Name: "careless"})
	for _, c := range ofCareless(t).Runs[0].Cases {
		if strings.HasPrefix(c.ID, "detach/") {
			small.Runs[0].AddCase(c)
		}
	}
	known := &small.Runs[0].Cases[0]
	for i := range small.Runs[0].Cases {
		if c := &small.Runs[0].Cases[i]; c.Status == report.Failed {
			known = c
		}
	}
	known.Status, known.Reason = report.Known, "it was <always> so"
	small.Runs[0].Recount()
	const what = "as if flags were left out (detach)"

	var decoded struct{ Groups []report.Group }
	require.NoError(t, json.Unmarshal([]byte(write(t, small, report.JSON)), &decoded))
	require.Len(t, decoded.Groups, 2)
	g := decoded.Groups[0]
	require.Equal(t, what, g.What)
	require.Equal(t, report.Failed, g.Status)
	require.Equal(t, []string{"careless"}, g.Runs)
	require.Equal(t, small.Count().Failed, g.Scenarios)
	require.Len(t, g.Cases, g.Scenarios)
	require.Equal(t, "it was <always> so", decoded.Groups[1].What)
	require.Equal(t, []string{known.ID}, decoded.Groups[1].Cases)

	page := write(t, small, report.HTML)
	anchor := regexp.MustCompile(`<a href="#(finding-\d+)"><code>` + g.Cases[0] + `</code></a>`).FindStringSubmatch(page)
	require.NotNil(t, anchor)
	require.True(t, strings.Contains(page, `<article id="`+anchor[1]+`" class="f">`))
	require.True(t, strings.Contains(page, `known: it was &lt;always&gt; so`))
	require.Equal(t, g.Scenarios+1, strings.Count(page, "<article "), "nothing is left out")

	require.Contains(t, write(t, small, report.JUnit), `type="`+what+`"`)
	summary := write(t, small, report.Summary)
	require.Contains(t, summary, "| "+what+" | "+g.Cases[0]+" |")
	require.Contains(t, summary, "it was &lt;always&gt; so")
	text := write(t, small, report.Text)
	require.Contains(t, text, "known 1 scenario: it was <always> so; "+known.ID)
	require.Contains(t, text, "1 group of failures:\n  ")
}

// A mistake is held against what passed wherever something failed.
func TestGroupsOfManyRuns(t *testing.T) {
	bad := ofCareless(t).Runs[0]
	good, other := *bad, *bad
	good.Name, good.Cases = "good", nil
	other.Name, other.Cases = "other", nil
	for _, c := range bad.Cases {
		if c.Status == report.Failed {
			c.Status, c.Failure = report.Passed, nil
		}
		good.Cases = append(good.Cases, c)
	}
	for _, c := range bad.Cases {
		if strings.HasPrefix(c.ID, "detach/position/") && c.Status == report.Failed { // as if it knew better there
			c.Status, c.Failure = report.Passed, nil
		}
		other.Cases = append(other.Cases, c)
	}
	good.Recount()
	other.Recount()
	const what = "as if flags were left out (detach)"
	require.Contains(t, write(t, report.New(bad, &good), report.Text), " scenarios on careless: "+what)
	require.NotContains(t, write(t, report.New(&other), report.Text), what)
}

// A run that fails nothing has no groups, and one failure needs none.
func TestGroupsOfFewFailures(t *testing.T) {
	run := &report.Run{Name: "fake"}
	run.AddCase(report.Case{ID: "a", Status: report.Passed})
	require.Contains(t, write(t, report.New(run), report.JSON), `"groups": []`)
	run.AddCase(report.Case{ID: "b", Status: report.Failed, Failure: &report.Failure{Line: 2, Statement: "attach nk0:primary a", Expected: "= ok", Came: "! EPERM"}})
	text := write(t, report.New(run), report.Text)
	require.NotContains(t, text, "group")
	require.NotContains(t, text, "likewise")
}
