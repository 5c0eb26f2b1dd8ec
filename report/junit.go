package report

import (
	"encoding/xml"
	"fmt"
	"io"
	"path"

	"github.com/nkconform/nkconform/conformance"
)

type junitSuites struct {
	XMLName xml.Name     `xml:"testsuites"`
	Suites  []junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name     string      `xml:"name,attr"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Errors   int         `xml:"errors,attr"`
	Skipped  int         `xml:"skipped,attr"`
	Time     string      `xml:"time,attr"`
	Cases    []junitCase `xml:"testcase"`
}

type junitCase struct {
	Name    string        `xml:"name,attr"`
	Class   string        `xml:"classname,attr"`
	Time    string        `xml:"time,attr"`
	Skipped *junitMessage `xml:"skipped"`
	Failure *junitMessage `xml:"failure"`
}

type junitMessage struct {
	Message string `xml:"message,attr"`
	Type    string `xml:"type,attr,omitempty"`
	Text    string `xml:",chardata"`
}

func (r *Run) junit(out io.Writer) error {
	suite := junitSuite{
		Name:  "nkconform " + r.Backend + " " + r.Kernel.Release,
		Tests: len(r.Cases), Failures: r.Failed, Skipped: r.Skipped,
		Time: seconds(r.Seconds),
	}
	for _, c := range r.Cases {
		j := junitCase{Name: c.ID, Class: path.Dir(c.ID), Time: seconds(c.Seconds)}
		switch c.Status {
		case conformance.Skipped:
			j.Skipped = &junitMessage{Message: c.Reason}
		case conformance.Failed:
			text := (*conformance.Failure)(c.Failure).String()
			j.Failure = &junitMessage{Message: c.Rule, Type: "deviation", Text: text}
		}
		suite.Cases = append(suite.Cases, j)
	}
	if _, err := io.WriteString(out, xml.Header); err != nil {
		return err
	}
	e := xml.NewEncoder(out)
	e.Indent("", "  ")
	if err := e.Encode(junitSuites{Suites: []junitSuite{suite}}); err != nil {
		return err
	}
	_, err := io.WriteString(out, "\n")
	return err
}

func seconds(s float64) string { return fmt.Sprintf("%.6f", s) }
