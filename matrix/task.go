package matrix

import (
	"slices"
	"strconv"
	"strings"

	"github.com/nkconform/nkconform/conformance"
	"github.com/nkconform/nkconform/harness/console"
	"github.com/nkconform/nkconform/report"
)

// taskPrefix begins the names of the threads that run a scenario.
const taskPrefix = "nkconform-"

// TaskName is what the threads are called that run the n-th of the scenarios given to
// a process, from 1 on: by that a kernel's complaint says which scenario it is about.
func TaskName(n int) string { return taskPrefix + strconv.Itoa(n) }

// number is the number of the scenario in a task's name, 0 if there is none.
func (s *share) number(task string) int {
	number, ours := strings.CutPrefix(task, taskPrefix)
	n, err := strconv.Atoi(number)
	if !ours || err != nil || n < 1 || n > len(s.scenarios) {
		return 0
	}
	return n
}

// id returns the id of the n-th scenario, "" for 0.
func (s *share) id(n int) string {
	if n == 0 {
		return ""
	}
	return s.scenarios[n-1].ID
}

// scenarioOf returns the id of the scenario that a complaint is about, "" if it names none.
func (s *share) scenarioOf(c console.Complaint) string { return s.id(s.number(c.Task)) }

// doing returns the id of the scenario that runs, by what the suite's threads do. Those
// that are idle bear the names of scenarios before.
func (s *share) doing(threads string) string {
	n := 0
	for line := range strings.Lines(threads) {
		task, _, _ := strings.Cut(line, " ")
		n = max(n, s.number(task))
	}
	return s.id(n)
}

// ran returns the id of the scenario that ran when the kernel broke, "" if it does not
// say: some say so in what follows only.
func (s *share) ran(list []console.Complaint) (id string) {
	broken := false
	for _, c := range list {
		if broken = broken || c.Kind.Breaks(); broken && id == "" {
			id = s.scenarioOf(c)
		}
	}
	return id
}

// precedes reports whether one scenario comes before another one. None comes before "".
func (s *share) precedes(id, other string) bool {
	index := func(id string) int {
		return slices.IndexFunc(s.scenarios, func(s conformance.Scenario) bool { return s.ID == id })
	}
	return index(id) < index(other)
}

// complaints tells what a kernel complained of, and in which scenario; of what breaks
// it without a name, after which. The run holds the results that had come then.
func (s *share) complaints(run *report.Run, list []console.Complaint) string {
	var told []string
	for _, c := range list {
		text := c.Brief()
		if id := s.scenarioOf(c); id != "" {
			text = "in " + id + ":\n" + text
		} else if c.Kind.Breaks() && len(run.Cases) > 0 {
			text = "soon after " + run.Cases[len(run.Cases)-1].ID + " ended:\n" + text
		}
		told = append(told, text)
	}
	return strings.Join(told, "\n\n")
}
