package matrix

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/nkconform/nkconform/conformance"
	"github.com/nkconform/nkconform/harness"
	"github.com/nkconform/nkconform/harness/console"
	"github.com/nkconform/nkconform/report"
	"github.com/nkconform/nkconform/trace"
)

// judge makes failures of all that went wrong beside the scenarios. The run
// holds the cases that were reported, late has those that came after the kernel had
// broken.
func (s *share) judge(ctx context.Context, run *report.Run, late []report.Case, res harness.Result, err error, stderr string) {
	_, broken := console.Broken(res.KernelTrouble)
	ran := s.ran(res.KernelTrouble)
	told := s.complaints(run, res.KernelTrouble)
	for _, c := range late {
		if s.precedes(c.ID, ran) {
			run.AddCase(c)
		}
	}
	var noBoot *harness.BootError
	var died *harness.DiedError
	var slow *harness.TimeoutError
	switch {
	case ctx.Err() != nil && err != nil:
		run.Stopped = why(ctx)
		err = nil // it is not the kernel's
	case errors.As(err, &noBoot):
		run.Fail("kernel/boot", "The kernel boots.", err.Error())
	case err == nil && res.ExitStatus <= 1 && len(s.missing(run)) == 0:
	case broken:
		why := "the kernel broke"
		if errors.As(err, &died) {
			why, told = died.Reason, told+strings.Replace(died.Log.String(), "; ", "\n", 1)
		}
		s.incomplete(run, ran, why+": see kernel/console")
	case err == nil && res.ExitStatus <= 1:
		s.incomplete(run, s.next(run), "the suite ended before this")
	case err == nil:
		s.incomplete(run, s.next(run), crash(res.ExitStatus, stderr))
	case errors.As(err, &died) && s.doing(res.Doing) != "":
		s.incomplete(run, s.doing(res.Doing), err.Error()+"\n"+strings.TrimSpace(res.Doing))
	case errors.As(err, &died) && s.next(run) != "":
		s.incomplete(run, s.next(run), err.Error()+"\n"+lastWords)
	case errors.As(err, &died):
		s.incomplete(run, "", err.Error())
	case errors.As(err, &slow):
		s.incomplete(run, s.next(run), err.Error())
	default:
		run.Fail("kernel/machine", "The machine runs the suite.", err.Error())
	}
	if told != "" {
		run.Fail("kernel/console", "The kernel complains about nothing while the suite runs.", told)
	}
	if err != nil || res.ExitStatus > 1 || told != "" { // it may say why, as when memory runs out
		run.KeepConsole(res.Console)
	}
}

// lastWords is told of a guest that died without a word: what it had written a moment
// before has not always come out of its machine.
const lastWords = "in this scenario or soon after it: the last results of a guest that dies can be lost"

// incomplete blames a scenario for the suite's end, if it has no result, and notes that
// the others without one have not run.
func (s *share) incomplete(run *report.Run, blamed, why string) {
	const failed = "the kernel or the suite had failed"
	missing := s.missing(run)
	switch {
	case len(missing) == 0:
		run.Fail("kernel/end", "The kernel and the suite come to an orderly end.", why)
	case len(run.Cases) == 0 && blamed == "": // perhaps no scenario had begun
		run.Fail("kernel/suite", "The suite runs on the kernel.", why)
	}
	for _, id := range missing {
		c := report.Case{ID: id, Status: report.NotRun, Reason: "not run: " + failed}
		switch {
		case id == blamed:
			c = report.Case{ID: id, Status: report.Failed, Failure: &report.Failure{Detail: why}}
		case s.precedes(id, blamed):
			c.Reason = "its result was lost: soon after it, " + failed
		}
		run.AddCase(s.complete(c))
	}
}

// next is the scenario that was running when the suite ended that did not say so: the
// first without a result; "" if none has a result, as perhaps none had begun. One that
// needs a kernel without something takes no time where the kernel has it.
func (s *share) next(run *report.Run) string {
	missing := s.missing(run)
	if len(missing) == 0 || len(run.Cases) == 0 {
		return ""
	}
	lacks := slices.ContainsFunc(run.Cases, func(c report.Case) bool {
		return c.Status == report.Passed && needsAbsence(s.known[c.ID])
	})
	for _, id := range missing {
		if lacks || !needsAbsence(s.known[id]) {
			return id
		}
	}
	return missing[0]
}

// needsAbsence reports whether a scenario runs only where the kernel lacks something.
func needsAbsence(s conformance.Scenario) bool {
	if s.Trace == nil { // it is none of the suite's
		return false
	}
	for _, st := range s.Trace.Statements() {
		if st.Verb != "need" {
			continue
		}
		for _, word := range st.Operands {
			if _, absent := trace.ParseNeed(word); absent {
				return true
			}
		}
	}
	return false
}

// missing lists the scenarios without a result.
func (s *share) missing(run *report.Run) []string {
	var ids []string
	for _, scenario := range s.scenarios {
		if !slices.ContainsFunc(run.Cases, func(c report.Case) bool { return c.ID == scenario.ID }) {
			ids = append(ids, scenario.ID)
		}
	}
	return ids
}

// crash tells how the suite ended that should not have ended so.
func crash(status int, stderr string) string {
	text := fmt.Sprintf("the suite ended with exit status %d", status)
	if status > 128 {
		text = fmt.Sprintf("the suite was killed by signal %d", status-128)
	}
	if stderr = strings.TrimPrefix(stderr, "nkconform: "); stderr != "" {
		text += ": " + stderr
	}
	return text
}
