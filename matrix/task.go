package matrix

import (
	"strconv"
	"strings"

	"github.com/nkconform/nkconform/harness/console"
)

// taskPrefix begins the names of the threads that run a scenario.
const taskPrefix = "nkconform-"

// TaskName is what the threads are called that run the n-th of the scenarios given to
// a process, from 1 on: by that a kernel's complaint says which scenario it is about.
func TaskName(n int) string { return taskPrefix + strconv.Itoa(n) }

// ran returns the id of the scenario that a complaint is about, "" if it names none.
func (s *share) ran(c console.Complaint) string {
	number, ours := strings.CutPrefix(c.Task, taskPrefix)
	n, err := strconv.Atoi(number)
	if !ours || err != nil || n < 1 || n > len(s.scenarios) {
		return ""
	}
	return s.scenarios[n-1].ID
}
