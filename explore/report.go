package explore

import (
	"fmt"
	"strings"
	"time"

	"github.com/nkconform/nkconform/explore/internal/search"
	"github.com/nkconform/nkconform/trace"
)

// Report says how far an exploration came and what it found.
type Report struct {
	// Complete says that every order of calls, and every crash, fault and event that the
	// agents' options ask for, was explored, or one that is like it.
	Complete bool
	Cut      string // why it is not complete
	Findings []*Finding

	// Unheld names invariants of [World.OnceHeld] that held in no run, and so tell nothing.
	Unheld []string

	Runs       int // schedules, up to their end or to a state seen before
	Ended      int // of them, those up to the end of every agent
	States     int // different ones
	Calls      int // calls, crashes and so on that were made in all of them
	Depth      int // the most of them in a run
	Executions int // how often the agents' code was run, since it was not known what they do next
	Took       time.Duration
}

// Finding is a schedule that breaks an invariant, after shrinking.
type Finding struct {
	Invariant string
	Text      string // what it says is wrong
	Schedule  string // for Replay
	Crashes   int    // crashes, faults and events
	Switches  int    // from an agent to another
	Calls     int
	Cycle     int // how many calls at the end repeat for ever; 0: none
	From      int // how many calls, crashes and so on it took before shrinking
	// Trace tells the run in the language of traces; Unsaid is why one that plays it
	// does not come to the same, if so.
	Trace  *trace.File
	Unsaid []string
}

// String tells the report in words.
func (r *Report) String() string {
	var b strings.Builder
	for _, f := range r.Findings {
		b.WriteString(f.String())
	}
	if r.Complete {
		b.WriteString("explored completely: ")
	} else {
		fmt.Fprintf(&b, "not explored completely (%s): ", r.Cut)
	}
	fmt.Fprintf(&b, "%d runs, %d states, %d calls, at most %d in a run; the agents' code was run %d times; %v\n",
		r.Runs, r.States, r.Calls, r.Depth, r.Executions, r.Took.Round(time.Millisecond))
	for _, name := range r.Unheld {
		fmt.Fprintf(&b, "held in no run, and so tells nothing: %s\n", name)
	}
	return b.String()
}

// String tells the finding in words, with its trace.
func (f *Finding) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "broken: %s: %s\n", f.Invariant, f.Text)
	fmt.Fprintf(&b, "by %s, %s and %s (%d before shrinking)\n", plural(f.Calls, "call"),
		plural(f.Switches, "switch"), plural(f.Crashes, "crash, fault or event"), f.From)
	if f.Cycle > 0 {
		fmt.Fprintf(&b, "the last %d calls repeat for ever\n", f.Cycle)
	}
	if f.Trace != nil {
		b.WriteString("    " + strings.ReplaceAll(strings.TrimSuffix(f.Trace.String(), "\n"), "\n", "\n    ") + "\n")
	}
	for _, why := range f.Unsaid {
		fmt.Fprintf(&b, "a trace cannot say it all: %s\n", why)
	}
	fmt.Fprintf(&b, "again: -explore.replay='%s'\n", f.Schedule)
	return b.String()
}

func plural(n int, what string) string {
	switch {
	case n == 1:
		return "1 " + what
	case strings.HasSuffix(what, "ch"):
		return fmt.Sprintf("%d %ses", n, what)
	case strings.HasPrefix(what, "crash"):
		return fmt.Sprintf("%d crashes, faults or events", n)
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// finding tells of a schedule, by playing it again.
func (m *machine) finding(setup func(*World), o *options, f *search.Finding, from int) (*Finding, error) {
	told := &Finding{
		Invariant: f.Name, Text: f.Text, Schedule: m.world.write(f.Path), Cycle: f.Cycle, From: from,
	}
	var log []logged
	m.log = func(l logged) { log = append(log, l) }
	defer func() { m.log = nil }()
	path := f.Path
	if f.Cycle > 0 {
		path = append(path[:len(path):len(path)], path[len(path)-f.Cycle:]...) // twice, for the reader
	}
	if err := m.Reset(); err != nil {
		return nil, err
	}
	last := int8(-1)
	for _, a := range path {
		if err := m.Do(a); err != nil {
			return nil, err
		}
	}
	for _, a := range f.Path {
		if a.Kind == search.Call {
			told.Calls++
		} else {
			told.Crashes++
		}
		if a.Kind != search.Event {
			if last >= 0 && a.Agent != last {
				told.Switches++
			}
			last = a.Agent
		}
	}
	broken := []string{"broken: " + f.Name + ": " + f.Text}
	if f.Cycle > 0 {
		broken = []string{fmt.Sprintf("livelock: the last %d calls repeat for ever", f.Cycle)}
	}
	title := strings.ReplaceAll(fmt.Sprintf("How %q is broken: %s.", f.Name, f.Text), "\n", " ")
	var err error
	told.Trace, told.Unsaid, err = tell(setup, o, log, title, broken)
	return told, err
}
