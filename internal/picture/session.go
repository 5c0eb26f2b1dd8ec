// Package picture plays statements of the trace language on the simulated kernel and
// tells of each what it changed: the lists before and after it, the revision's step,
// the checks that it went through, the call that it was. The command explain, the page
// and docs/semantics.md draw the same pictures.
package picture

import (
	"github.com/nkconform/nkconform/conformance"
	"github.com/nkconform/nkconform/fake"
	"github.com/nkconform/nkconform/mprog"
	"github.com/nkconform/nkconform/trace"
)

// Session is a simulated kernel that plays statements as they come.
type Session struct {
	kernel    *fake.Kernel
	live      *conformance.Live
	reader    *trace.Reader
	events    []*fake.Event // the calls of the statement in hand
	netns     []string      // names of network namespaces
	born      []string      // names of processes, as they came; the first has none
	processes []string      // those that run, but for the first
	fds       []namedFD     // as they were opened
	state     State
}

// New returns a session on a new kernel.
func New(options ...fake.Option) *Session {
	k := fake.New(options...)
	s := &Session{kernel: k, live: conformance.NewLive(k), reader: trace.NewReader("statement"), netns: []string{""}, born: []string{""}}
	acting := false
	s.live.Acting(func(yes bool) { acting = yes })
	k.Observe(func(e *fake.Event) {
		if acting {
			s.events = append(s.events, e)
		}
	})
	return s
}

// Step is a line that was played.
type Step struct {
	Line    trace.Line
	Came    trace.Outcome // the line's own answer may expect another
	Answer  trace.Answer  // what came, without what goes without saying
	Refusal *Refusal      // nil: it succeeded
	Checks  []Check       // in the kernel's order, up to the one that refused, and what was done
	Changes []Change      // of hooks
	Packet  *Packet       // of send
	Event   *fake.Event   // the call that it was; nil: none, as of a comment
	State   State         // after it
}

// Check is a check of the kernel, or with no rule something that it did.
type Check struct {
	Text   string // what was found, with the numbers
	Rule   string
	Passed bool
}

// Refusal is why a call was refused.
type Refusal struct {
	Errno  string
	Rule   string // the rule's id
	Text   string // the rule in plain words
	Source string // the kernel's function
	Found  string // the numbers that decided
}

// Do reads a line and plays it. The error is a [*trace.Error] for wrong text, and
// wraps [mprog.ErrUnsupported] for what is not simulated; then nothing has happened.
func (s *Session) Do(text string) (Step, error) {
	line, err := s.reader.Line(text)
	if err != nil {
		return Step{}, err
	}
	step := Step{Line: line, State: s.state}
	st := line.Statement
	if st == nil {
		return step, nil
	}
	s.events = nil
	if step.Came, err = s.live.Do(st); err != nil {
		s.reader.Refused(st)
		return Step{}, err
	}
	step.Answer = conformance.AnswerOf(step.Came)
	if step.Came.Errno != 0 {
		s.reader.Refused(st)
	} else {
		s.learn(st, callOf(st, s.events))
	}
	before := s.state
	s.state = s.look()
	step.State, step.Changes = s.state, changes(before, s.state)
	if step.Event = callOf(st, s.events); step.Event != nil {
		step.Checks = s.checks(step.Event)
		step.Refusal = s.refusal(step.Event)
		if sent, ok := step.Event.Answer.(mprog.Delivery); ok && step.Refusal == nil {
			if st.Verb == "datagram" {
				step.Packet = s.datagram(st.Process, st.Operands[0], sent)
			} else {
				step.Packet = s.packet(st.Operands[0], sent)
			}
		}
	}
	return step, nil
}

// namedFD is an fd that a process has opened, and its name.
type namedFD struct {
	name, process string
	fd            uint32
}

// learn notes names that are no objects', and of fds whose they are.
func (s *Session) learn(st *trace.Statement, e *fake.Event) {
	switch st.Verb {
	case "link", "get", "dup", "prog-fd", "link-fd":
		if fd, ok := e.Answer.(uint32); ok {
			s.fds = append(s.fds, namedFD{st.Operands[0], st.Process, fd})
		}
	case "netns":
		s.netns = append(s.netns, st.Operands...)
	case "process":
		s.born = append(s.born, st.Operands[0])
		s.processes = append(s.processes, st.Operands[0])
	case "exit":
		kept := []string{}
		for _, p := range s.processes {
			if p != st.Operands[0] {
				kept = append(kept, p)
			}
		}
		s.processes = kept
	}
}

// State returns what there is now.
func (s *Session) State() State { return s.state }

// Reader returns what reads the lines, and knows what they may name.
func (s *Session) Reader() *trace.Reader { return s.reader }
