// Package deviation holds what kernels and libraries are known to do
// differently, and keeps the list true: a listed case that passes, or fails in
// another way, is a failure.
package deviation

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/nkconform/nkconform/report"
	"github.com/nkconform/nkconform/trace"
)

// Deviation is one known failure of a scenario.
type Deviation struct {
	Kernels []string // globs for names of runs, images or releases, or FROM..TO of releases; empty for all
	Real    bool     // the fake of such a release does not deviate
	Case    string   // id of the scenario, or of its file for every hook that it is a case for
	Message string   // text that the failure contains
	Reason  string
	Where   string // file and line, for messages
}

// List is what is known, in the order of the file.
type List []Deviation

// of says whether the deviation is listed for the kernel of the run.
func (d Deviation) of(run *report.Run) bool {
	if d.Real && run.Kernel.Machine == report.Simulated {
		return false
	}
	if len(d.Kernels) == 0 {
		return true
	}
	for _, glob := range d.Kernels {
		if from, to, found := strings.Cut(glob, rangeMark); found {
			if between(run.Kernel.Release, from, to) {
				return true
			}
			continue
		}
		for _, name := range []string{run.Name, run.Image, run.Kernel.Release} {
			if name != "" && matches(glob, name) {
				return true
			}
		}
	}
	return false
}

// concerns says whether the deviation is listed for a scenario.
func (d Deviation) concerns(id string) bool {
	return d.Case == id || d.Case == trace.WithoutHook(id)
}

// matches is path.Match without folders: images are paths, too, and a * may stand
// for any part of them.
func matches(glob, name string) bool {
	flat := strings.NewReplacer("/", ":")
	ok, err := path.Match(flat.Replace(glob), flat.Replace(name))
	return err == nil && ok
}

// Apply marks the cases of the run that deviate as listed, and fails those
// that are listed and do not. A listed case that was not run, or was skipped,
// says nothing.
func (l List) Apply(run *report.Run) {
	for i := range run.Cases {
		c := &run.Cases[i]
		listed := l.find(run, c.ID)
		if len(listed) == 0 {
			continue
		}
		judge(c, listed)
	}
	run.Recount()
}

func (l List) find(run *report.Run, id string) []Deviation {
	var listed []Deviation
	for _, d := range l {
		if d.concerns(id) && d.of(run) {
			listed = append(listed, d)
		}
	}
	return listed
}

// judge holds a case against what is listed for it.
func judge(c *report.Case, listed []Deviation) {
	switch c.Status {
	case report.Passed:
		c.Status = report.Failed
		c.Failure = &report.Failure{Detail: fmt.Sprintf("it passes, but %s lists it as a known deviation: take it off the list", listed[0].Where)}
	case report.Failed:
		text := c.Failure.String()
		for _, d := range listed {
			if strings.Contains(text, d.Message) {
				c.Status, c.Reason = report.Known, d.Reason
				return
			}
		}
		note := fmt.Sprintf("it fails in another way than %s lists: expected %q", listed[0].Where, listed[0].Message)
		failure := *c.Failure
		failure.Detail = strings.TrimPrefix(failure.Detail+"\n"+note, "\n")
		c.Failure = &failure
	}
}

// Unknown returns the deviations whose case is none of the ids, which is a
// mistake of the list.
func (l List) Unknown(ids []string) []Deviation {
	var unknown []Deviation
	for _, d := range l {
		if !slices.ContainsFunc(ids, d.concerns) {
			unknown = append(unknown, d)
		}
	}
	return unknown
}
