package explore

import (
	"fmt"
	"slices"
	"strings"

	"github.com/nkconform/nkconform/explore/internal/search"
	"github.com/nkconform/nkconform/fake"
	"github.com/nkconform/nkconform/mprog"
	"github.com/nkconform/nkconform/trace"
)

// teller writes a run as a trace, by making the same calls on a kernel that records
// them. What agents load, the first process loads for them, since a trace has nobody
// else do that.
type teller struct {
	world     *World // set up on the kernel that records
	log       []logged
	processes map[[2]int]*told // by agent and incarnation
	progs     map[uint32]uint32
	links     map[uint32]uint32
	comments  map[int][]string // by how many lines are in front
	unsaid    []string
	title     string
	names     []string // of processes, in the order in which they start
}

// told is a process of the trace.
type told struct {
	process *fake.Process
	fds     map[uint32]uint32
	loaded  []uint32 // fds of what the process will load, in order
}

// tell writes what a machine has logged. It returns why something cannot be said.
func tell(setup func(*World), o *options, log []logged, title string, broken []string) (f *trace.File, unsaid []string, err error) {
	t := &teller{
		world: &World{kernel: fake.New(append(slices.Clone(o.kernel), fake.Record())...)}, log: log, title: title,
		processes: map[[2]int]*told{}, progs: map[uint32]uint32{}, links: map[uint32]uint32{}, comments: map[int][]string{},
	}
	setup(t.world)
	for i := range t.world.agents {
		if err := t.process(i, 0); err != nil {
			return nil, nil, err
		}
	}
	for n, l := range log {
		if err := t.step(n, &l); err != nil {
			return nil, nil, err
		}
	}
	for _, line := range broken {
		t.comment(line)
	}
	t.look()
	return t.file(), t.unsaid, nil
}

func (t *teller) comment(text string) {
	n := t.lines()
	t.comments[n] = append(t.comments[n], "# "+strings.ReplaceAll(text, "\n", " "))
}

// lines counts what has been recorded.
func (t *teller) lines() int { return len(body(t.world.kernel.Trace())) }

// body is what follows the head of a recorded trace.
func body(f *trace.File) []trace.Line {
	lines := f.Lines[1:]
	if len(lines) > 0 && lines[0].Statement != nil && lines[0].Statement.Verb == "need" {
		lines = lines[1:]
	}
	return lines
}

// process starts a process of an agent, with what it will load.
func (t *teller) process(agent, incarnation int) error {
	p := &told{fds: map[uint32]uint32{}}
	k := t.world.kernel
	for _, l := range t.log {
		if spec, ok := l.request.(mprog.ProgSpec); ok && l.answer.err == nil && int(l.action.Agent) == agent && l.incarnation == incarnation {
			fd, err := k.LoadProg(spec)
			if err != nil {
				return err
			}
			p.loaded = append(p.loaded, fd)
		}
	}
	made, err := k.NewProcess(mprog.ProcessSpec{})
	if err != nil {
		return err
	}
	p.process = made.(*fake.Process)
	for _, fd := range p.loaded {
		if err := k.Close(fd); err != nil {
			return err
		}
	}
	name := t.world.agents[agent].name
	if incarnation > 0 {
		end := fmt.Sprintf("_%d", incarnation+1)
		name = name[:min(len(name), 15-len(end))] + end
	}
	t.names = append(t.names, name)
	t.processes[[2]int{agent, incarnation}] = p
	return nil
}

func (t *teller) step(n int, l *logged) error {
	if l.action.Kind == search.Event {
		e := &t.world.events[l.action.N]
		t.comment("at this moment: " + e.name)
		before := t.lines()
		err := e.do(t.world.kernel)
		if _, refused := mprog.ErrnoOf(err); err != nil && !refused {
			return err
		}
		for _, line := range body(t.world.kernel.Trace())[before:] {
			if line.Statement == nil {
				t.unsaid = append(t.unsaid, fmt.Sprintf("event %s cannot be written as a statement", e.name))
			}
		}
		return nil
	}
	agent, a := int(l.action.Agent), t.world.agents[l.action.Agent]
	p := t.processes[[2]int{agent, l.incarnation}]
	switch l.action.Kind {
	case search.Crash:
		t.comment(a.name + " is killed here")
		if err := p.process.Exit(); err != nil {
			return err
		}
		if a.restarts {
			return t.process(agent, l.incarnation+1)
		}
		return nil
	case search.Fail:
		t.comment(fmt.Sprintf("not made, but refused with %s: %s: %s", a.faults[l.action.Fault].errno, a.name, call{op: l.op, request: l.request}))
		return nil
	case search.Lose:
		t.comment(fmt.Sprintf("made, but %s is answered %s", a.name, a.faults[l.action.Fault].errno))
	}
	return t.call(n, l, p)
}

// call makes a call again, and compares the answers.
func (t *teller) call(n int, l *logged, p *told) error {
	if l.op == opExit {
		return p.process.Exit()
	}
	if _, ok := l.request.(mprog.ProgSpec); ok {
		if l.answer.err != nil {
			return nil
		}
		fd := p.loaded[0]
		p.loaded = p.loaded[1:]
		p.fds[l.answer.value.(uint32)] = fd
		info, err := p.process.Unseen().ObjectInfo(fd)
		t.progs[l.id] = info.ID
		return err
	}
	before := t.lines()
	value, err := p.process.Perform(l.op, t.translate(l, p))
	lost := l.action.Kind == search.Lose
	was, _ := mprog.ErrnoOf(l.answer.err)
	is, _ := mprog.ErrnoOf(err)
	if was != is && !lost {
		t.unsaid = append(t.unsaid, fmt.Sprintf("call %d, %s, is answered %s in a trace, where ids and programs are made in another order", n+1, l.op, is))
	}
	if lines := body(t.world.kernel.Trace()); len(lines) > before && lines[len(lines)-1].Statement == nil {
		t.unsaid = append(t.unsaid, fmt.Sprintf("call %d, %s, cannot be written as a statement", n+1, l.op))
	}
	fd, isFD := value.(uint32)
	if err != nil || !isFD || l.op == mprog.OpProgNextID || l.op == mprog.OpLinkNextID {
		return nil
	}
	if old, ok := l.answer.value.(uint32); ok {
		p.fds[old] = fd
	}
	if info, err := p.process.Unseen().ObjectInfo(fd); err == nil {
		ids := t.progs
		if info.Kind == mprog.LinkObject {
			ids = t.links
		}
		ids[l.id] = info.ID
	}
	return nil
}

// look asks for what the hooks look like in the end.
func (t *teller) look() {
	k := t.world.kernel
	for _, d := range k.Snapshot().Devices {
		for _, h := range d.Hooks {
			if d.Netns == 0 && !h.Filters && (h.Hook.Type == mprog.NetkitPrimary || len(h.Entries) > 0) {
				q := mprog.QueryRequest{
					TargetIfindex: h.Hook.Ifindex, AttachType: h.Hook.Type, Count: mprog.MaxPrograms + 1,
					ProgIDs: make([]uint32, mprog.MaxPrograms+1), LinkIDs: make([]uint32, mprog.MaxPrograms+1),
				}
				_, _ = k.ProgQuery(q)
			}
		}
	}
}

// file is the trace, with the agents' names and the comments.
func (t *teller) file() *trace.File {
	recorded := t.world.kernel.Trace()
	lines := body(recorded)
	recorded.Lines[0].Comment = "# " + t.title
	f := &trace.File{Lines: slices.Clone(recorded.Lines[:len(recorded.Lines)-len(lines)])}
	names := map[string]string{}
	for _, l := range lines {
		if s := l.Statement; s != nil && s.Verb == "process" {
			names[s.Operands[0]] = unused(t.names[len(names)], lines, names)
		}
	}
	for i, l := range lines {
		for _, c := range t.comments[i] {
			f.Lines = append(f.Lines, trace.Line{Comment: c})
		}
		if s := l.Statement; s != nil {
			renamed := *s
			if name, ok := names[s.Process]; ok {
				renamed.Process = name
			}
			if s.Verb == "process" || s.Verb == "exit" {
				renamed.Operands = []string{names[s.Operands[0]]}
			}
			l.Statement = &renamed
		}
		f.Lines = append(f.Lines, l)
	}
	for _, c := range t.comments[len(lines)] {
		f.Lines = append(f.Lines, trace.Line{Comment: c})
	}
	return f
}

// unused makes a name one that nothing else in the trace has.
func unused(name string, lines []trace.Line, processes map[string]string) string {
	taken := map[string]bool{}
	for _, other := range processes {
		taken[other] = true
	}
	for _, l := range lines {
		if s := l.Statement; s != nil && s.Verb != "process" {
			for _, word := range s.Operands {
				taken[word] = true
			}
		}
	}
	for taken[name] {
		name = name[:min(len(name), 13)] + "_a"
	}
	return name
}

// translate has a request name fds and ids as they are on the kernel that records.
func (t *teller) translate(l *logged, p *told) any {
	fd := func(n uint32) uint32 {
		if to, ok := p.fds[n]; ok {
			return to
		}
		return n
	}
	id := func(ids map[uint32]uint32, n uint32) uint32 {
		if to, ok := ids[n]; ok {
			return to
		}
		return n
	}
	relative := func(n uint32, flags mprog.Flags) uint32 {
		switch {
		case flags&mprog.ID == 0:
			return fd(n)
		case flags&mprog.Link != 0:
			return id(t.links, n)
		}
		return id(t.progs, n)
	}
	switch r := l.request.(type) {
	case mprog.AttachRequest:
		r.AttachFD, r.ReplaceFD, r.Relative = fd(r.AttachFD), fd(r.ReplaceFD), relative(r.Relative, r.Flags)
		return r
	case mprog.DetachRequest:
		r.AttachFD, r.ReplaceFD, r.Relative = fd(r.AttachFD), fd(r.ReplaceFD), relative(r.Relative, r.Flags)
		return r
	case mprog.LinkCreateRequest:
		r.ProgFD, r.Relative = fd(r.ProgFD), relative(r.Relative, r.Flags)
		return r
	case mprog.LinkUpdateRequest:
		r.LinkFD, r.NewProgFD, r.OldProgFD = fd(r.LinkFD), fd(r.NewProgFD), fd(r.OldProgFD)
		return r
	case mprog.LinkDetachRequest:
		r.LinkFD = fd(r.LinkFD)
		return r
	case mprog.PinRequest:
		r.FD = fd(r.FD)
		return r
	case mprog.FilterRequest:
		r.FD = fd(r.FD)
		return r
	case mprog.IDRequest:
		ids := t.progs
		if l.op == mprog.OpLinkFDByID || l.op == mprog.OpLinkNextID {
			ids = t.links
		}
		r.ID = id(ids, r.ID)
		return r
	case uint32:
		return fd(r)
	}
	return l.request
}
