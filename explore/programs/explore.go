package programs

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nkconform/nkconform/explore/internal/search"
)

// Limits say how far to explore.
type Limits struct {
	Runs        int
	Time        time.Duration
	Preemptions int // below 0: no limit
	All         bool
	Random      int // runs chosen at random; 0: one after the other
	Seed        uint64
	Replay      string
	Stop        *atomic.Bool
	Progress    func(Progress)
}

// Progress is how far an exploration has come.
type Progress struct{ Runs, Started, States, Calls, Depth int }

// Report is what came of it.
type Report struct {
	Complete bool      `json:"complete"`
	Cut      string    `json:"cut,omitempty"` // why it is not complete
	Runs     int       `json:"runs"`
	Started  int       `json:"started"` // how often the programs were started, also to go back and to shrink
	States   int       `json:"states"`
	Calls    int       `json:"calls"`
	Depth    int       `json:"depth"`
	Seconds  float64   `json:"seconds"`
	Findings []Finding `json:"findings"`
	// Unheld are invariants of [OnceHeld] that held in no run, and so tell nothing.
	Unheld []string `json:"unheld,omitempty"`
}

// Finding is a run that breaks an invariant.
type Finding struct {
	Invariant string `json:"invariant"`
	Text      string `json:"text"`
	Schedule  string `json:"schedule"`
	Cycle     int    `json:"cycle,omitempty"`
	Steps     []Step `json:"steps"`
	Trace     string `json:"trace"`
	Output    string `json:"output,omitempty"` // of the programs
}

// shrinking is how many runs shrinking takes at most.
const shrinking = 60

// Explore explores. It must be called by a program of intercept.Main.
func Explore(o Options) (*Report, error) {
	m := &machine{o: &o, expects: map[uint64]string{}}
	defer m.end()
	began := time.Now()
	s := &search.Search{
		Machine: m, Reduce: true, All: o.All, Stop: o.Stop,
		Limits: search.Limits{Runs: o.Runs, Preemptions: o.Preemptions},
	}
	if o.Time > 0 {
		s.Limits.Until = began.Add(o.Time)
	}
	if o.Progress != nil {
		s.Progress = func(st search.Stats) {
			o.Progress(Progress{st.Runs, m.runs, st.States, st.Actions, st.Depth})
		}
	}
	var err error
	switch {
	case o.Replay != "":
		err = m.replay(s, o.Replay)
	case o.Random > 0:
		s.Limits.Runs = o.Random
		if err = s.Random(o.Seed, 3); err == nil && s.Stats.Cut == "" {
			s.Stats.Cut = fmt.Sprintf("runs chosen at random, with seed %d", o.Seed)
		}
	default:
		err = s.Run()
	}
	if errors.Is(err, errInterrupted) {
		s.Stats.Cut, err = "it was interrupted", nil
	}
	if err != nil {
		return nil, err
	}
	r := &Report{Runs: s.Stats.Runs, States: s.Stats.States, Calls: s.Stats.Actions, Depth: s.Stats.Depth, Cut: s.Stats.Cut, Findings: []Finding{}}
	for n, i := range o.Invariants {
		if i.When == OnceHeld && m.ever&(1<<n) == 0 {
			r.Unheld = append(r.Unheld, i.Text)
		}
	}
	if r.Cut == "" && len(s.Findings) > 0 && !o.All {
		r.Cut = "the first finding"
	}
	r.Complete = r.Cut == ""
	for _, f := range s.Findings {
		told, err := m.finding(f)
		if err != nil {
			return nil, err
		}
		r.Findings = append(r.Findings, told)
	}
	r.Started, r.Seconds = m.runs, time.Since(began).Seconds()
	return r, nil
}

// finding shrinks a finding, and plays it once more to tell it.
func (m *machine) finding(f *search.Finding) (told Finding, err error) {
	if f.Cycle == 0 {
		small, err := search.Shrink(m, f, shrinking)
		if err != nil && !errors.Is(err, errInterrupted) {
			return told, err
		}
		f = small
	}
	stop := m.o.Stop
	m.o.Stop = nil // it has stopped already, and is to be told
	defer func() { m.o.Stop = stop }()
	if err := m.Reset(); err != nil {
		return told, err
	}
	for _, a := range f.Path {
		if err := m.Do(a); err != nil {
			return told, err
		}
	}
	return Finding{
		Invariant: f.Name, Text: f.Text, Cycle: f.Cycle, Schedule: m.write(f.Path), Steps: m.steps,
		Trace: m.run.kernel.Trace().String(), Output: m.output.String(),
	}, nil
}

func (m *machine) replay(s *search.Search, schedule string) error {
	path, err := m.read(schedule)
	if err != nil {
		return err
	}
	done, f, err := search.Play(m, path)
	if err != nil {
		return err
	}
	s.Stats = search.Stats{Runs: 1, Actions: len(done), Depth: len(done), Cut: "one schedule was replayed"}
	if f != nil {
		s.Findings = append(s.Findings, f)
	}
	return nil
}

// write writes a schedule: one:3,two:2,one!
func (m *machine) write(path []search.Action) string {
	var parts []string
	for i := 0; i < len(path); {
		a, n := path[i], 1
		for i+n < len(path) && a.Kind == search.Call && path[i+n] == a {
			n++
		}
		part := m.o.Agents[a.Agent].Name
		if a.N > 0 {
			part += "#" + strconv.Itoa(int(a.N))
		}
		if a.Kind == search.Crash {
			part += "!"
		} else {
			part += ":" + strconv.Itoa(n)
		}
		parts = append(parts, part)
		i += n
	}
	return strings.Join(parts, ",")
}

// read is the inverse of write.
func (m *machine) read(schedule string) (path []search.Action, err error) {
	for part := range strings.SplitSeq(schedule, ",") {
		name, count, called := strings.Cut(strings.TrimSuffix(part, "!"), ":")
		name, goroutine, _ := strings.Cut(name, "#")
		a := search.Action{Agent: -1}
		for i := range m.o.Agents {
			if m.o.Agents[i].Name == name {
				a.Agent = int8(i)
			}
		}
		nth, _ := strconv.ParseUint(goroutine, 10, 8)
		a.N = uint8(nth)
		n, err := strconv.Atoi(count)
		switch {
		case a.Agent < 0:
			return nil, fmt.Errorf("replay %q: no agent is called %q", part, name)
		case !called && strings.HasSuffix(part, "!"):
			a.Kind, n = search.Crash, 1
		case err != nil || n < 1 || n > 1<<16:
			return nil, fmt.Errorf("replay %q: expected AGENT! or AGENT:CALLS", part)
		}
		for range n {
			path = append(path, a)
		}
	}
	return path, nil
}

// output is what programs print.
type output struct {
	mu   sync.Mutex
	text []byte
}

const outputMax = 64 << 10

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.text) < outputMax {
		o.text = append(o.text, p...)
	}
	return len(p), nil
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return string(o.text)
}

// told is what was printed, behind an error.
func (o *output) told() string {
	text := strings.TrimSpace(o.String())
	if text == "" {
		return ""
	}
	return ": " + text
}

func (o *output) reset() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.text = nil
}
