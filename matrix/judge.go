package matrix

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/nkconform/nkconform/harness"
	"github.com/nkconform/nkconform/harness/console"
	"github.com/nkconform/nkconform/report"
)

// judge makes failures of all that went wrong beside the scenarios. The run
// holds the cases that were reported.
func (s *share) judge(ctx context.Context, run *report.Run, res harness.Result, err error, stderr string) {
	var noBoot *harness.BootError
	var died *harness.DiedError
	var late *harness.TimeoutError
	broken, _ := console.Broken(res.KernelTrouble)
	ran := s.ran(broken)
	switch {
	case err == nil && (res.ExitStatus == 0 || res.ExitStatus == 1):
		if len(s.missing(run)) > 0 {
			s.incomplete(run, ran, "the suite ended before this")
		}
	case err == nil:
		s.incomplete(run, ran, crash(res.ExitStatus, stderr))
	case ctx.Err() != nil:
		run.Stopped = why(ctx)
		err = nil // it is not the kernel's
	case errors.As(err, &noBoot):
		run.Fail("kernel/boot", "The kernel boots.", err.Error())
	case errors.As(err, &died):
		s.incomplete(run, ran, err.Error())
	case errors.As(err, &late):
		s.incomplete(run, ran, err.Error())
	default:
		run.Fail("kernel/machine", "The machine runs the suite.", err.Error())
	}
	if len(res.KernelTrouble) > 0 {
		run.Fail("kernel/console", "The kernel complains about nothing while the suite runs.", s.complaints(res.KernelTrouble))
	}
	if err != nil || res.ExitStatus > 1 || len(res.KernelTrouble) > 0 { // it may say why, as when memory runs out
		run.KeepConsole(res.Console)
	}
}

// complaints tells what a kernel complained of, and in which scenario.
func (s *share) complaints(list []console.Complaint) string {
	var told []string
	for _, c := range list {
		text := c.Brief()
		if id := s.ran(c); id != "" {
			text = "in " + id + ":\n" + text
		}
		told = append(told, text)
	}
	return strings.Join(told, "\n\n")
}

// lastWords is told where it is not known which scenario ran: what a guest that dies
// had written a moment before has not always come out of its machine.
const lastWords = "in this scenario or soon after it: the last results of a guest that dies can be lost"

// incomplete blames the scenario that was running when the suite ended, and notes
// that those without a result have none. It is ran, or where that is not known the
// first without a result.
func (s *share) incomplete(run *report.Run, ran, why string) {
	missing := s.missing(run)
	reason := "not run: the kernel or the suite had failed"
	switch {
	case len(run.Cases) == 0 && ran == "": // perhaps no scenario had begun
		run.Fail("kernel/suite", "The suite runs on the kernel.", why)
	case len(missing) == 0:
		run.Fail("kernel/end", "The kernel and the suite come to an orderly end.", why)
	case ran == "":
		ran, why = missing[0], why+"\n"+lastWords
	case slices.Contains(missing, ran):
		reason = "its result was lost: the kernel broke soon after it"
	}
	for _, id := range missing {
		c := report.Case{ID: id, Status: report.NotRun, Reason: reason}
		if id == ran {
			c = report.Case{ID: id, Status: report.Failed, Failure: &report.Failure{Detail: why}}
			reason = "not run: the kernel or the suite had failed"
		}
		run.AddCase(s.complete(c))
	}
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
