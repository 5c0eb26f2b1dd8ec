package explore

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/nkconform/nkconform/explore/internal/search"
	"github.com/nkconform/nkconform/fake"
	"github.com/nkconform/nkconform/mprog"
)

// machine is a world in progress: what package search explores.
type machine struct {
	world    *World
	kernel   *fake.Kernel
	devices  []string // at the start
	t        *testing.T
	patience time.Duration
	calls    int          // the most of a process
	log      func(logged) // is told what happens; nil: nobody asks
	ever     uint64       // invariants that have held once, in any run
	visible  bool         // an invariant sees in which order things happen

	moment
	begin saved
	saves []*saved

	roots      [][]*node // by agent, then incarnation
	lives      []*execution
	executions int
}

// moment is what changes, besides the kernel.
type moment struct {
	agents   []agentState
	happened uint64 // events
	held     uint64 // invariants once held
	moved    int8   // who acted last
}

// agentState is where an agent is.
type agentState struct {
	node        *node
	process     *fake.Process
	incarnation int
	crashes     int
	faults      int
	idle        int  // calls in a row that changed nothing, with nobody else acting
	dead        bool // killed and not restarted, or exited
}

type saved struct {
	kernel fake.Checkpoint
	moment moment
	agents []agentState
}

// restless is how many calls in a row an agent makes that change nothing, before
// somebody else has to act, if anybody can.
const restless = 64

func newMachine(setup func(*World), t *testing.T, o *options) (*machine, error) {
	m := &machine{world: &World{kernel: fake.New(o.kernel...)}, t: t, patience: o.patience, calls: o.calls}
	m.kernel = m.world.kernel
	setup(m.world)
	for _, d := range m.kernel.Snapshot().Devices {
		m.devices = append(m.devices, d.Name)
	}
	if len(m.world.agents) == 0 {
		return nil, errors.New("the world has no agents")
	}
	if len(m.world.events) > 64 {
		return nil, errors.New("the world has more than 64 events")
	}
	m.agents = make([]agentState, len(m.world.agents))
	m.roots = make([][]*node, len(m.world.agents))
	m.lives = make([]*execution, len(m.world.agents))
	m.moved = -1
	for _, i := range m.world.invariants {
		m.visible = m.visible || i.kind == onceHeld
	}
	for i := range m.agents {
		if err := m.startProcess(i); err != nil {
			return nil, err
		}
	}
	m.save(&m.begin)
	return m, m.holdsAtFirst()
}

// holdsAtFirst checks that what must always hold does so before anybody has done anything.
func (m *machine) holdsAtFirst() error {
	for n := range m.world.invariants {
		if i := &m.world.invariants[n]; i.kind == always {
			if err := m.ask(i); err != nil {
				return fmt.Errorf("invariant %q does not hold at the start, before any agent has made a call: %w", i.name, err)
			}
		}
	}
	return nil
}

// close ends what runs.
func (m *machine) close() {
	for i, x := range m.lives {
		if x != nil {
			x.kill()
			m.lives[i] = nil
		}
	}
}

// startProcess starts a process of an agent.
func (m *machine) startProcess(i int) error {
	s := &m.agents[i]
	p, err := m.kernel.NewProcess(mprog.ProcessSpec{})
	if err != nil {
		return err
	}
	s.process = p.(*fake.Process)
	s.process.OwnIDs(uint32(i+1)<<24 | uint32(s.incarnation&0xff)<<16)
	s.node, err = m.root(i, s.incarnation)
	return err
}

func (m *machine) save(s *saved) {
	m.kernel.Save(&s.kernel)
	s.moment = m.moment
	s.agents = append(s.agents[:0], m.agents...)
}

func (m *machine) restore(s *saved) {
	m.kernel.Restore(&s.kernel)
	agents := append(m.agents[:0], s.agents...)
	m.moment = s.moment
	m.agents = agents
}

// Reset implements [search.Machine].
func (m *machine) Reset() error {
	m.restore(&m.begin)
	return nil
}

// Save implements [search.Saver].
func (m *machine) Save(depth int) {
	for len(m.saves) <= depth {
		m.saves = append(m.saves, new(saved))
	}
	m.save(m.saves[depth])
}

// Restore implements [search.Saver].
func (m *machine) Restore(depth int) { m.restore(m.saves[depth]) }

// root is where an agent's process begins.
func (m *machine) root(i, incarnation int) (*node, error) {
	for len(m.roots[i]) <= incarnation {
		m.roots[i] = append(m.roots[i], nil)
	}
	if m.roots[i][incarnation] == nil {
		p, err := m.begins(i, incarnation)
		if err != nil {
			return nil, err
		}
		n := &node{agent: m.world.agents[i], incarnation: incarnation, hash: mix(uint64(i), uint64(incarnation))}
		n.take(p)
		m.roots[i][incarnation], m.lives[i].at = n, n
	}
	return m.roots[i][incarnation], nil
}

// begins runs the code of an agent up to its first call.
func (m *machine) begins(i, incarnation int) (p point, err error) {
	if m.lives[i] != nil {
		m.lives[i].kill()
		m.lives[i] = nil
	}
	m.executions++
	x, p, err := start(m.t, m.world.agents[i], incarnation, m.patience)
	if err == nil {
		m.lives[i] = x
	}
	return p, err
}

// follow finds what an agent does when a call is answered: it runs the code if that is
// not known yet.
func (m *machine) follow(i int, index int, a *answer) (*node, error) {
	n := m.agents[i].node
	key := a.key()
	if to := n.after(index, key); to != nil {
		return to, nil
	}
	e := event{index, a.own()}
	if n.pending[index].op == opExit {
		return n.learn(e, key, point{ended: n.ended, err: n.err}), nil
	}
	if x := m.lives[i]; x == nil || x.at != n {
		if err := m.rerun(i, n); err != nil {
			return nil, err
		}
	}
	x := m.lives[i]
	p, err := x.resume(e, m.patience)
	if err != nil {
		m.lives[i] = nil
		return nil, err
	}
	to := n.learn(e, key, p)
	x.at = to
	return to, nil
}

// rerun runs the code of an agent again up to a node, with the answers of then. It must
// make the calls of then.
func (m *machine) rerun(i int, to *node) error {
	p, err := m.begins(i, to.incarnation)
	if err != nil {
		return err
	}
	at := m.roots[i][to.incarnation]
	for _, n := range to.history() {
		if differs := at.same(p); differs != "" {
			return &differsError{m.world.agents[i].name, differs}
		}
		if p, err = m.lives[i].resume(n.via, m.patience); err != nil {
			m.lives[i] = nil
			return err
		}
		at = n
	}
	if differs := at.same(p); differs != "" {
		return &differsError{m.world.agents[i].name, differs}
	}
	m.lives[i].at = to
	return nil
}

// differsError says that an agent does not do the same again.
type differsError struct{ agent, what string }

func (e *differsError) Error() string {
	return fmt.Sprintf("agent %s: it makes other calls when it is run again with the same answers: %s; what it does must depend on "+
		"nothing but the answers: no random numbers, no clock but time.Now, no order of maps, nothing kept from one run to the next", e.agent, e.what)
}

// Actions implements [search.Machine].
func (m *machine) Actions(list []search.Action) []search.Action {
	able := 0
	for i := range m.agents {
		if s := &m.agents[i]; !s.dead && len(s.node.pending) > 0 && s.node.calls < m.calls {
			able++
		}
	}
	for i := range m.agents {
		s := &m.agents[i]
		if s.dead {
			continue
		}
		if s.node.calls < m.calls && (s.idle < restless || able == 1) {
			for n := range s.node.pending {
				list = append(list, search.Action{Agent: int8(i), N: uint8(n)})
			}
		}
	}
	for i := range m.agents {
		s, a := &m.agents[i], m.world.agents[i]
		if s.dead {
			continue
		}
		if s.crashes < a.crashes {
			list = append(list, search.Action{Agent: int8(i), Kind: search.Crash})
		}
		for n := range s.node.pending {
			for f, fault := range a.faults {
				if s.faults == a.budget || s.node.pending[n].op == opExit || fault.op != "" && fault.op != s.node.pending[n].op {
					continue
				}
				kind := search.Fail
				if fault.lost {
					kind = search.Lose
				}
				list = append(list, search.Action{Agent: int8(i), Kind: kind, N: uint8(n), Fault: uint8(f)})
			}
		}
	}
	for n := range m.world.events {
		if m.happened&(1<<n) == 0 {
			list = append(list, search.Action{Agent: -1, Kind: search.Event, N: uint8(n)})
		}
	}
	return list
}

// Do implements [search.Machine].
func (m *machine) Do(a search.Action) error {
	if a.Kind == search.Event {
		m.happened |= 1 << a.N
		m.calm()
		e := &m.world.events[a.N]
		m.note(logged{action: a})
		if err := e.do(m.kernel); err != nil {
			if _, refused := mprog.ErrnoOf(err); !refused {
				return fmt.Errorf("event %s: %w", e.name, err)
			}
		}
		return nil
	}
	s := &m.agents[a.Agent]
	if a.Agent != m.moved {
		m.calm()
		m.moved = a.Agent
	}
	if a.Kind == search.Crash {
		m.note(logged{action: a, incarnation: s.incarnation})
		return m.crash(int(a.Agent))
	}
	c := &s.node.pending[a.N]
	if elsewhere(c.request) {
		return fmt.Errorf("agent %s: %s: %w: hooks of netkit and tcx are explored, and no others, which are not put back",
			m.world.agents[a.Agent].name, c, mprog.ErrUnsupported)
	}
	var answered answer
	if a.Kind != search.Fail {
		before := uint64(0)
		if s.node.calls > restless/2 {
			before = m.kernel.Shape()
		}
		answered = c.perform(s.process)
		if s.idle++; before == 0 || m.kernel.Shape() != before {
			s.idle = 0
		}
		s.dead = c.op == opExit
	}
	if errors.Is(answered.err, mprog.ErrUnsupported) {
		return fmt.Errorf("agent %s: %s: %w", m.world.agents[a.Agent].name, c, answered.err)
	}
	if a.Kind != search.Call {
		s.faults++
		answered = answer{err: &mprog.Error{Op: c.op, Errno: m.world.agents[a.Agent].faults[a.Fault].errno, Rule: "injected"}}
	}
	if m.log != nil {
		m.note(logged{a, s.incarnation, c.op, c.request, answered.own(), m.made(s.process, c.op, answered.value)})
	}
	to, err := m.follow(int(a.Agent), int(a.N), &answered)
	s.node = to
	return err
}

// elsewhere reports whether a request is about a hook that checkpoints do not have.
func elsewhere(request any) bool {
	var at mprog.AttachType
	switch r := request.(type) {
	case mprog.AttachRequest:
		at = r.AttachType
	case mprog.DetachRequest:
		at = r.AttachType
	case mprog.LinkCreateRequest:
		at = r.AttachType
	default:
		return false
	}
	return !at.Netkit() && !at.TCX() && at != mprog.XDPDevice
}

// logged is something that has happened.
type logged struct {
	action      search.Action
	incarnation int
	op          mprog.Op
	request     any
	answer      answer
	id          uint32 // of the object that an fd answered is of
}

func (m *machine) note(l logged) {
	if m.log != nil {
		m.log(l)
	}
}

// made finds the id of what an fd that was answered is of, 0 if there is none.
func (m *machine) made(p *fake.Process, op mprog.Op, value any) uint32 {
	fd, ok := value.(uint32)
	if !ok || op == mprog.OpProgNextID || op == mprog.OpLinkNextID {
		return 0
	}
	info, err := p.ObjectInfo(fd)
	if err != nil {
		return 0
	}
	return info.ID
}

// calm forgets how long agents have been idle, when somebody else acts.
func (m *machine) calm() {
	for i := range m.agents {
		m.agents[i].idle = 0
	}
	m.moved = -1
}

func (m *machine) crash(i int) error {
	s := &m.agents[i]
	_ = s.process.Exit() // does not fail
	s.crashes++
	if !m.world.agents[i].restarts {
		s.dead = true
		s.node = &node{agent: m.world.agents[i]} // what it knew is gone with it
		return nil
	}
	s.incarnation++
	return m.startProcess(i)
}

// Key implements [search.Machine].
func (m *machine) Key() search.Key {
	h := mix(m.happened, m.held)
	for i := range m.agents {
		s := &m.agents[i]
		h = mix(h, uint64(s.crashes)<<32|uint64(s.faults)<<16)
		if s.idle >= restless {
			h++
		}
		h = mix(h, s.node.hash)
		if s.dead {
			h += 2
		}
	}
	return search.Key{m.kernel.Hash(), h}
}

// Shape implements [search.Machine].
func (m *machine) Shape() uint64 {
	h := m.kernel.Shape()
	for i := range m.agents {
		s := &m.agents[i]
		h = mix(h, uint64(len(s.node.pending)))
		for _, c := range s.node.pending {
			h = mix(h, c.shape)
		}
	}
	return h
}
