package explore

import (
	"fmt"
	"slices"
	"strings"

	"github.com/nkconform/nkconform/fake"
	"github.com/nkconform/nkconform/mprog"
)

// State is a moment of a run, for invariants to look at. It is not to be kept.
type State struct{ m *machine }

// Entry is a program in a hook's list.
type Entry struct {
	Prog     string // the name it was loaded with
	ID, Link uint32 // ids; no link: 0
	Agent    string // who has loaded it; "": it is of the stage
}

// Hook lists the programs of a hook in their order; none where there is no such hook.
func (s State) Hook(device string, at mprog.AttachType) (list []Entry) {
	entries, _, _ := s.m.kernel.Entries(s.m.device(device), at)
	for _, e := range entries {
		list = append(list, Entry{s.m.kernel.ProgName(e.Prog), e.Prog, e.Link, s.m.owner(e.Prog)})
	}
	return list
}

// Programs lists the names of a hook's programs in their order. The hook is written as
// in traces: nk0:primary.
func (s State) Programs(hook string) (names []string) {
	device, at := splitHook(hook)
	for _, e := range s.Hook(device, at) {
		names = append(names, e.Prog)
	}
	return names
}

// Count tells how many programs of a name a hook has.
func (s State) Count(hook, prog string) (n int) {
	for _, name := range s.Programs(hook) {
		if name == prog {
			n++
		}
	}
	return n
}

// Revision returns a hook's revision, 0 where there is no such hook.
func (s State) Revision(hook string) uint64 {
	device, at := splitHook(hook)
	_, revision, _ := s.m.kernel.Entries(s.m.device(device), at)
	return revision
}

// device finds a device that is there, or was at the start.
func (m *machine) device(name string) (ifindex uint32) {
	ifindex = m.kernel.DeviceNamed(name)
	if ifindex == 0 && !slices.Contains(m.devices, name) {
		panic(fmt.Sprintf("the world has no device %q", name))
	}
	return ifindex
}

func splitHook(hook string) (device string, at mprog.AttachType) {
	device, text, _ := strings.Cut(hook, ":")
	at, ok := mprog.ParseAttachType(text)
	if !ok || device == "" {
		panic(fmt.Sprintf("%q is no hook: write it as nk0:primary", hook))
	}
	return device, at
}

// Snapshot is everything: devices, hooks, programs, links and pins.
func (s State) Snapshot() fake.Snapshot { return s.m.kernel.Snapshot() }

// Links lists the links that there are, by id.
func (s State) Links() []fake.LinkShot { return s.Snapshot().Links }

// Pins lists what is pinned, by path.
func (s State) Pins() []fake.PinShot { return s.Snapshot().Pins }

// Process is an agent's process.
type Process struct {
	Agent    string
	Alive    bool  // it has not been killed, nor exited
	Returned bool  // the function has
	Err      error // what it has returned
	Calls    int   // answered since it was started last
	Crashes  int   // how often it was killed
}

// Processes lists the agents' processes, in the order of the agents.
func (s State) Processes() (list []Process) {
	for i := range s.m.agents {
		list = append(list, s.m.process(i))
	}
	return list
}

// Agent returns an agent's process.
func (s State) Agent(name string) Process {
	i := slices.IndexFunc(s.m.world.agents, func(a *agent) bool { return a.name == name })
	if i < 0 {
		panic(fmt.Sprintf("no agent is called %q", name))
	}
	return s.m.process(i)
}

func (m *machine) process(i int) Process {
	s, a := &m.agents[i], m.world.agents[i]
	p := Process{Agent: a.name, Alive: !s.dead, Crashes: s.crashes}
	if s.node != nil {
		p.Returned, p.Err, p.Calls = s.node.ended, s.node.err, s.node.calls
	}
	return p
}

// owner tells who has loaded a program.
func (m *machine) owner(prog uint32) string {
	if i := int(prog>>24) - 1; i >= 0 && i < len(m.world.agents) {
		return m.world.agents[i].name
	}
	return ""
}
