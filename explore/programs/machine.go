package programs

import (
	"errors"
	"fmt"
	"hash/fnv"
	"strings"
	"time"

	"github.com/nkconform/nkconform/explore/internal/search"
	"github.com/nkconform/nkconform/fake"
	"github.com/nkconform/nkconform/mprog"
)

// machine is what package search explores.
type machine struct {
	o       *Options
	run     *run
	agents  []*process
	held    uint64
	ever    uint64            // invariants that have held once, in any run
	path    uint64            // hash of what was done
	expects map[uint64]string // what an agent was about to do, by path and agent
	output  output
	steps   []Step // of the run
	runs    int
}

// Step is something that happened in a run.
type Step struct {
	Agent  string `json:"agent"`
	Call   string `json:"call"` // or "killed"
	Answer string `json:"answer,omitempty"`
	// Hooks are those with programs, by their names, and their lists afterwards.
	Hooks map[string]string `json:"hooks"`
}

// Reset implements [search.Machine].
func (m *machine) Reset() (err error) {
	m.end()
	m.runs++
	m.steps, m.held, m.path = nil, 0, 0
	m.output.reset()
	if m.run, err = newRun(m.o); err != nil {
		return err
	}
	m.agents = make([]*process, len(m.o.Agents))
	for i := range m.agents {
		if err := m.start(i); err != nil {
			return err
		}
	}
	m.look()
	return m.idlers()
}

// idlers looks for an agent of which there is nothing to explore, because its command
// is wrong, say.
func (m *machine) idlers() error {
	for i, p := range m.agents {
		if p.ended && len(p.waiting) == 0 {
			return fmt.Errorf("agent %s: %s: it has ended (%s) without a call about hooks, links or pins%s",
				m.o.Agents[i].Name, m.o.Agents[i].Command, p.cmd.ProcessState, m.output.told())
		}
	}
	return nil
}

func (m *machine) end() {
	if m.run != nil {
		m.run.end()
		m.run = nil
	}
}

// start starts an agent, up to its first call.
func (m *machine) start(i int) error {
	p, err := m.run.start(&m.o.Agents[i], i, &m.output)
	if err != nil {
		return err
	}
	if old := m.agents[i]; old != nil {
		p.crashes = old.crashes
	}
	m.agents[i] = p
	m.run.settle(m.agents, i, m.o.Patience)
	return m.compare(i)
}

// compare checks that an agent is about to do what it was when the same was done
// before.
func (m *machine) compare(i int) error {
	is := "to end"
	switch p := m.agents[i]; {
	case len(p.waiting) > 0:
		is = p.waiting[0].String()
	case !p.ended:
		is = "to wait"
	}
	key := m.path*31 + uint64(i)
	was, known := m.expects[key]
	if known && was != is {
		return fmt.Errorf("agent %s: it is about %s, and was about %s when the same had happened before: what it does must depend on "+
			"nothing but the kernel's answers", m.o.Agents[i].Name, is, was)
	}
	m.expects[key] = is
	return nil
}

// Actions implements [search.Machine].
func (m *machine) Actions(list []search.Action) []search.Action {
	for i, p := range m.agents {
		for n := range p.waiting {
			list = append(list, search.Action{Agent: int8(i), N: uint8(n)})
		}
	}
	for i, p := range m.agents {
		if !p.ended && p.crashes < m.o.Agents[i].Crashes {
			list = append(list, search.Action{Agent: int8(i), Kind: search.Crash})
		}
	}
	return list
}

// Do implements [search.Machine].
func (m *machine) Do(a search.Action) error {
	if m.o.Stop != nil && m.o.Stop.Load() {
		return errInterrupted
	}
	i := int(a.Agent)
	p, name := m.agents[i], m.o.Agents[i].Name
	m.path = m.path*1_000_003 + uint64(i)<<16 + uint64(a.Kind)<<8 + uint64(a.N) + 1
	if a.Kind == search.Crash {
		m.steps = append(m.steps, Step{Agent: name, Call: "killed"})
		p.crashes++
		_ = p.cmd.Process.Kill() // it may have ended
		for !p.ended {
			m.run.take(m.agents, <-m.run.events)
		}
		for _, w := range p.waiting {
			w.release <- mprog.EIO
		}
		p.waiting = nil
		m.look()
		if m.o.Agents[i].Restarts {
			return m.start(i)
		}
		return nil
	}
	w := p.waiting[a.N]
	p.waiting = append(p.waiting[:a.N:a.N], p.waiting[a.N+1:]...)
	if p.calls++; p.calls > m.o.Calls {
		return fmt.Errorf("agent %s: it has made %d calls and does not end", name, p.calls)
	}
	m.steps = append(m.steps, Step{Agent: name, Call: m.describe(w)})
	w.release <- nil
	m.run.settle(m.agents, i, m.o.Patience)
	m.look()
	for _, e := range m.run.seen {
		p.history = mixed(p.history, fmt.Sprint(e.Op, answered(e)))
		if e.Op == w.op {
			m.steps[len(m.steps)-1].Answer = answered(e)
		}
	}
	m.run.seen = nil
	return m.compare(i)
}

var errInterrupted = errors.New("interrupted")

// answered writes an answer.
func answered(e *fake.Event) string {
	if errno, ok := mprog.ErrnoOf(e.Err); ok && errno != 0 {
		return errno.String()
	}
	if e.Answer == nil {
		return "ok"
	}
	if q, ok := e.Answer.(mprog.QueryResult); ok {
		return fmt.Sprintf("revision %d, %d programs", q.Revision, q.Count)
	}
	return fmt.Sprint(e.Answer)
}

// describe writes a call for people.
func (m *machine) describe(w *waiting) string {
	for _, h := range m.run.hooks {
		if h.Hook == w.hook {
			return w.String() + " " + h.name
		}
	}
	return w.String()
}

// look notes what the hooks look like, and has what was called told.
func (m *machine) look() {
	if len(m.run.hooks) > 0 { // it is at this that observers are told
		_ = m.run.kernel.Hook(m.run.hooks[0].Ifindex, m.run.hooks[0].Type)
	}
	if len(m.steps) == 0 {
		return
	}
	s := &m.steps[len(m.steps)-1]
	s.Hooks = map[string]string{}
	for _, h := range m.run.hooks {
		progs, revision, err := m.run.list(h.Hook)
		if err == nil && (len(progs) > 0 || h.Type == mprog.NetkitPrimary) {
			s.Hooks[h.name] = fmt.Sprintf("revision %d [%s]", revision, strings.Join(progs, " "))
		}
	}
}

func mixed(h uint64, text string) uint64 {
	f := fnv.New64a()
	fmt.Fprint(f, h, text)
	return f.Sum64()
}

// Key implements [search.Machine]: hooks, and what each agent was answered.
func (m *machine) Key() search.Key {
	h := m.held
	for _, p := range m.agents {
		h = mixed(h, fmt.Sprint(p.history, p.crashes, p.calls, p.ended, len(p.waiting)))
	}
	return search.Key{m.Shape(), h}
}

// Shape implements [search.Machine].
func (m *machine) Shape() uint64 {
	if len(m.steps) == 0 {
		return 1
	}
	return mixed(2, fmt.Sprint(m.steps[len(m.steps)-1].Hooks))
}

// Touches implements [search.Machine]: nothing is known.
func (m *machine) Touches(search.Action) (reads, writes uint64) { return ^uint64(0), ^uint64(0) }

// Check implements [search.Machine].
func (m *machine) Check(over bool) (*search.Broken, error) {
	for n := range m.o.Invariants {
		i := &m.o.Invariants[n]
		if i.When == Finally && !over {
			continue
		}
		wrong, err := m.run.ask(i)
		switch {
		case err != nil:
			return nil, err
		case wrong == "" && i.When == OnceHeld:
			m.held |= 1 << n
			m.ever |= 1 << n
		case wrong == "", i.When == OnceHeld && m.held&(1<<n) == 0:
		case i.When == Always && len(m.steps) == 0:
			return nil, fmt.Errorf("invariant %q does not hold at the start: %s", i.Text, wrong)
		default:
			return &search.Broken{Name: i.Text, Text: wrong}, nil
		}
	}
	return nil, nil
}

// Options say what is explored.
type Options struct {
	Kernel     []fake.Option
	Devices    [][2]string
	Agents     []Agent
	Invariants []Invariant
	Patience   time.Duration // how long a program sleeps and makes no call until it counts as idle
	Calls      int           // the most of a process
	Limits
}
