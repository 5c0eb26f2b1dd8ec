package report_test

import (
	"encoding/xml"
	"io"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nkconform/nkconform/report"
)

// What the published schemas say: junit-10.xsd of Jenkins' xUnit plugin, which
// follows Maven Surefire, and JUnit.xsd of Ant.
var (
	surefireTime = regexp.MustCompile(`^([0-9]{0,3},)*[0-9]+(\.[0-9]{0,3})?$`)
	antTimestamp = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d$`)
	required     = map[string][]string{
		"testsuites": {},
		"testsuite":  {"name", "tests", "failures", "errors", "skipped", "time", "timestamp", "hostname", "id", "package"},
		"properties": {}, "property": {"name", "value"},
		"testcase": {"name", "classname", "time"},
		"skipped":  {"message"}, "error": {"message", "type"}, "failure": {"message", "type"},
		"system-out": {}, "system-err": {},
	}
	inside = map[string][]string{
		"": {"testsuites"}, "testsuites": {"testsuite"},
		"testsuite":  {"properties", "testcase", "system-out", "system-err"},
		"properties": {"property"}, "testcase": {"skipped", "error", "failure"},
	}
)

func TestJUnitFollowsTheSchemas(t *testing.T) {
	d := xml.NewDecoder(strings.NewReader(write(t, sample(), report.JUnit)))
	d.Strict = true
	path := []string{""}
	last := "" // element ended last, for the order in a suite
	count := map[string]int{}
	for {
		token, err := d.Token()
		if err == io.EOF {
			break
		}
		require.NoError(t, err)
		switch e := token.(type) {
		case xml.StartElement:
			name, parent := e.Name.Local, path[len(path)-1]
			require.Contains(t, inside[parent], name, "in %s", parent)
			if parent == "testsuite" && last != "" {
				order := strings.Join(inside["testsuite"], " ")
				require.LessOrEqual(t, strings.Index(order, last), strings.Index(order, name), "%s after %s", name, last)
			}
			attrs := map[string]string{}
			for _, a := range e.Attr {
				attrs[a.Name.Local] = a.Value
				require.Contains(t, required[name], a.Name.Local, "of %s", name)
			}
			require.Len(t, attrs, len(required[name]), "of %s", name)
			if v, ok := attrs["time"]; ok {
				require.Regexp(t, surefireTime, v)
			}
			if v, ok := attrs["timestamp"]; ok {
				require.Regexp(t, antTimestamp, v)
			}
			count[name]++
			path, last = append(path, name), ""
		case xml.EndElement:
			path, last = path[:len(path)-1], e.Name.Local
		}
	}
	require.Equal(t, 3, count["testsuite"])
	require.Equal(t, 11, count["testcase"], "ten, and one for what was stopped")
	require.Equal(t, 4, count["failure"])
	require.Equal(t, 5, count["skipped"], "known deviations and what has not run among them")
	require.Equal(t, 1, count["error"])
}

func TestJUnitClasses(t *testing.T) {
	run := &report.Run{Name: "debian:6.12", Stopped: "interrupted"}
	run.AddCase(report.Case{ID: "attach/replace/a", Status: report.Passed})
	run.AddCase(report.Case{ID: "alone", Status: report.Passed})
	text := write(t, report.New(run), report.JUnit)
	for _, want := range []string{
		`name="attach/replace/a" classname="debian:6_12.attach.replace"`,
		`name="alone" classname="debian:6_12"`,
		`name="kernel/stopped" classname="debian:6_12.kernel"`,
	} {
		require.Contains(t, text, want)
	}
}

func TestPageVerdict(t *testing.T) {
	passed, stopped := &report.Run{Name: "a"}, &report.Run{Name: "b", Stopped: "interrupted"}
	passed.AddCase(report.Case{ID: "x", Status: report.Passed})
	for want, r := range map[string]*report.Results{
		`<span class="verdict p">conforms</span>`:    report.New(passed),
		`<span class="verdict f">deviates</span>`:    report.New(passed, stopped),
		`<span class="verdict n">nothing ran</span>`: report.New(),
	} {
		require.True(t, strings.Contains(write(t, r, report.HTML), want), want)
	}
}

func TestPageOfManyKernels(t *testing.T) {
	for n, want := range map[int]string{12: `<table class="matrix">`, 13: `<table class="matrix many">`} {
		require.True(t, strings.Contains(write(t, report.New(slices.Repeat([]*report.Run{{Name: "k"}}, n)...), report.HTML), want), n)
	}
}

func TestPageTellsKernelsApart(t *testing.T) {
	page := write(t, report.New(&report.Run{Name: "uml:/cache/uml/6.12.9/linux"}, &report.Run{Name: "uml:/cache/uml/7.3.4/linux@uml"},
		&report.Run{Name: "./build/vmlinuz"}, &report.Run{Name: "debian:6.12/amd64"}), report.HTML)
	for _, want := range []string{
		"<i>uml:</i><b>6.12.9</b><b>linux</b>", "<i>uml:</i><b>7.3.4</b><b>linux</b><b>uml</b>",
		"<i></i><b>vmlinuz</b>", "<i>debian:</i><b>6.12</b><b>amd64</b>",
	} {
		require.True(t, strings.Contains(page, want), want)
	}
}

func TestPageIsSelfContained(t *testing.T) {
	page := write(t, sample(), report.HTML)
	require.False(t, regexp.MustCompile(`(?i)(src|href)="(https?:)?//`).MatchString(page))
	require.False(t, strings.Contains(page, "@import"))
	require.False(t, strings.Contains(page, "url("))
	require.False(t, strings.Contains(page, "<script>alert"), "text is quoted")
	require.Equal(t, 1, strings.Count(page, "<script>"))
	require.True(t, strings.Contains(page, "default-src 'none'"))
	require.False(t, strings.Contains(page, "ZgotmplZ"), "nothing is refused by the template")
}

func TestPageShowsEverything(t *testing.T) {
	page := write(t, sample(), report.HTML)
	for _, want := range []string{
		"4 rules on 3 kernels", // without what is said of a kernel as a whole
		`<b>6.12</b><b>vng</b>`,
		`data-id="attach/b"`,
		`<tr class="rule bad" data-id="attach/b">`,
		`<td class="f" title="failed"><a href="#finding-2">✗</a></td>`,
		`<article id="finding-2" class="f">`,
		`<li class="at"><code>attach nk0:primary a</code></li>`,
		`<dd class="expected">= ok</dd>`, `<dd class="came">! EINVAL</dd>`,
		`<b>Known:</b> fixed in 6.13`,
		`<td class="n" title="not run: the kernel had failed">·</td>`,
		`data-name="not-run">1</td>`,
		"Console of debian:6.12@vng",
		"Interrupted: not all scenarios have run.",
		"came up at boot 2",
	} {
		require.True(t, strings.Contains(page, want), want) // pages are too long to be shown
	}
	for _, id := range regexp.MustCompile(`href="#([^"]+)"`).FindAllStringSubmatch(page, -1) {
		require.True(t, strings.Contains(page, `id="`+id[1]+`"`), "every link leads somewhere: "+id[1])
	}
}

func TestSummary(t *testing.T) {
	text := write(t, sample(), report.Summary)
	require.True(t, strings.HasPrefix(text, "### ❌ nkconform: 1 passed, 4 failed, 1 skipped, 2 not run\n"))
	require.Contains(t, text, "| Skipped | Not run | Known |\n")
	require.Contains(t, text, "| ✅ | debian:6.1<br>came up at boot 2 | 6.1.9 |")
	require.Contains(t, text, "<details><summary>❌ <code>attach/b</code> on debian:6.12@vng, debian:7.1</summary>")
	require.Contains(t, text, "B &lt;script&gt;alert", "text is quoted")
}

func TestDiff(t *testing.T) {
	before, after := sample(), sample()
	require.Empty(t, report.Diff(before, after))
	after.Runs = after.Runs[:2]
	cases := after.Runs[1].Cases
	cases[0].Failure = &report.Failure{Detail: "something else"}
	cases[1] = report.Case{ID: "attach/new", Status: report.Passed}
	after.Runs[0].Cases[1].Status = report.Failed
	after.Runs[0].Cases[1].Failure = &report.Failure{Detail: "broken"}
	var b strings.Builder
	require.NoError(t, report.WriteChanges(&b, report.Diff(before, after), report.Style{}))
	for _, want := range []string{
		"debian:7.1: absent, was 0 passed, 2 failed, 0 skipped, 1 not run\n",
		"absent/a: failed, was passed, on debian:6.1\n     broken\n",
		"attach/b: another way, was failed, on debian:6.12@vng\n",
		"attach/new: passed, was absent, on debian:6.12@vng\n",
		"attach/a: absent, was known, on debian:6.12@vng\n",
		"5 changes\n",
	} {
		require.Contains(t, b.String(), want)
	}
	one, other := report.New(sample().Runs[0]), report.New(sample().Runs[1])
	require.NotEmpty(t, report.Diff(one, other), "single runs are compared whatever their names")
}
