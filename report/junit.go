package report

import (
	"cmp"
	"encoding/xml"
	"fmt"
	"io"
	"path"
	"strings"
	"time"
)

type junitSuites struct {
	XMLName xml.Name     `xml:"testsuites"` // without attributes: not all schemas have them
	Suites  []junitSuite `xml:"testsuite"`
}

// junitSuite has all that the schemas of Jenkins and of Ant ask for, in their
// order, whether or not it says anything here.
type junitSuite struct {
	Name       string          `xml:"name,attr"`
	Tests      int             `xml:"tests,attr"`
	Failures   int             `xml:"failures,attr"`
	Errors     int             `xml:"errors,attr"`
	Skipped    int             `xml:"skipped,attr"`
	Time       string          `xml:"time,attr"`
	Timestamp  string          `xml:"timestamp,attr"`
	Hostname   string          `xml:"hostname,attr"`
	ID         int             `xml:"id,attr"`
	Package    string          `xml:"package,attr"`
	Properties []junitProperty `xml:"properties>property"`
	Cases      []junitCase     `xml:"testcase"`
	SystemOut  string          `xml:"system-out"`
	SystemErr  string          `xml:"system-err"`
}

type junitProperty struct {
	Name  string `xml:"name,attr"`
	Value string `xml:"value,attr"`
}

type junitCase struct {
	Name    string        `xml:"name,attr"`
	Class   string        `xml:"classname,attr"`
	Time    string        `xml:"time,attr"`
	Skipped *junitMessage `xml:"skipped"`
	Error   *junitMessage `xml:"error"`
	Failure *junitMessage `xml:"failure"`
}

type junitMessage struct {
	Message string `xml:"message,attr"`
	Type    string `xml:"type,attr,omitempty"`
	Text    string `xml:",chardata"`
}

func (r *Results) junit(out io.Writer) error {
	var all junitSuites
	kinds := map[runCase]string{}
	for _, g := range r.groups() {
		for _, f := range g.findings {
			for _, run := range f.Runs {
				kinds[runCase{run, f.ID}] = g.What
			}
		}
	}
	for i, run := range r.Runs {
		s := run.junitSuite(r.Started, kinds)
		s.ID = i
		all.Suites = append(all.Suites, s)
	}
	if _, err := io.WriteString(out, xml.Header); err != nil {
		return err
	}
	e := xml.NewEncoder(out)
	e.Indent("", "  ")
	if err := e.Encode(all); err != nil {
		return err
	}
	_, err := io.WriteString(out, "\n")
	return err
}

func (run *Run) junitSuite(started time.Time, kinds map[runCase]string) junitSuite {
	s := junitSuite{
		Name:  "nkconform " + run.Name,
		Tests: len(run.Cases), Failures: run.Failed, Skipped: run.Skipped + run.Known + run.NotRun,
		Time: seconds(run.Seconds), SystemOut: printable(run.Console), Package: "nkconform", Hostname: run.Name,
		Timestamp:  started.UTC().Format("2006-01-02T15:04:05"), // the schemas know no zone
		Properties: []junitProperty{{"backend", run.Backend}, {"release", run.Kernel.Release}, {"architecture", run.Kernel.Machine}},
	}
	if run.Image != "" {
		s.Properties = append(s.Properties, junitProperty{"image", run.Image})
	}
	if vm := run.VM; vm != nil {
		s.Properties = append(s.Properties, junitProperty{"machine", vm.Machine + "/" + vm.Accel},
			junitProperty{"boot_seconds", seconds(vm.Boot)}, junitProperty{"total_seconds", seconds(vm.Total)})
	}
	for _, c := range run.Cases {
		s.Cases = append(s.Cases, c.junitCase(run.Name, cmp.Or(kinds[runCase{run, c.ID}], "deviation")))
	}
	if run.Stopped != "" { // no case failed, and yet it did not go well
		s.Errors++
		s.Tests++
		s.Cases = append(s.Cases, junitCase{Name: "kernel/stopped", Class: class(run.Name, "kernel/stopped"), Time: seconds(0),
			Error: &junitMessage{Message: run.Stopped, Type: "stopped"}})
	}
	return s
}

func (c Case) junitCase(run, kind string) junitCase {
	j := junitCase{Name: c.ID, Class: class(run, c.ID), Time: seconds(c.Seconds)}
	switch c.Status {
	case Skipped, NotRun:
		j.Skipped = &junitMessage{Message: c.Reason}
	case Known:
		j.Skipped = &junitMessage{Message: "known deviation: " + c.Reason, Text: printable(c.Failure.String())}
	case Failed:
		text := c.Failure.String()
		if c.Trace != "" {
			text += "\n\n" + c.Trace
		}
		j.Failure = &junitMessage{Message: c.Rule, Type: printable(kind), Text: printable(text)}
	}
	return j
}

// class is that of a case. Readers of the format show classes as a tree divided by
// dots.
func class(run, id string) string {
	run = strings.ReplaceAll(run, ".", "_")
	if folder := path.Dir(id); folder != "." {
		return run + "." + strings.ReplaceAll(folder, "/", ".")
	}
	return run
}

// seconds is a time as the schemas have it.
func seconds(s float64) string { return fmt.Sprintf("%.3f", s) }
