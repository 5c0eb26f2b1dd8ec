package sim

import (
	"fmt"

	"github.com/nkconform/nkconform/fake"
	"github.com/nkconform/nkconform/intercept/layout"
	"github.com/nkconform/nkconform/intercept/machine"
	"github.com/nkconform/nkconform/mprog"
)

const cgroupSKB mprog.ProgType = 8 // BPF_PROG_TYPE_CGROUP_SKB

// runnable are the types of programs that are run, and what they get.
var runnable = map[mprog.ProgType]machine.Kind{
	mprog.SchedCLS: machine.SKB, mprog.SocketFilter: machine.SKB, mprog.XDP: machine.XDP,
	cgroupSKB: machine.SKB,
}

// run has a program handle a packet. What cannot be run to its end is an error,
// told once a program: whatever the program would have decided is not known, so
// that the packet must not go on.
func (s *Sim) run(p *program, packet *machine.Packet) (int32, error) {
	if v, ok := s.given(p); ok {
		return v, nil
	}
	if p.code == nil {
		return p.verdict, nil
	}
	v, err := p.code.Run(packet, world{s})
	if err != nil && !p.told {
		p.told = true
		s.warn(fmt.Sprintf("program %s: %v: its packets are dropped", p.label(), err))
	}
	return v, err
}

// given is the verdict that the program is to return instead of being run.
func (s *Sim) given(p *program) (int32, bool) {
	if len(s.verdicts) == 0 {
		return 0, false
	}
	v, ok := s.verdicts[p.text()]
	return v, ok
}

// world is what a program reaches: the simulation's maps, clocks and dice.
type world struct{ s *Sim }

var _ machine.World = world{}

func (w world) Map(id uint32) machine.Map {
	if m := w.s.maps.byID[id]; m != nil {
		return mapView{m}
	}
	return nil
}

func (w world) Now() uint64    { return w.s.now() }
func (w world) Random() uint32 { return w.s.random.Uint32() }

func (w world) Trace(text string) { w.s.trace(text) }

// Wake has those look at a ring buffer who wait for records.
func (w world) Wake(ring uint32) {
	if m := w.s.maps.byID[ring]; m != nil && m.memory != nil {
		m.memory.Wake()
	}
}

func (w world) Facts() machine.Facts { return w.s.facts }

func (w world) Timers() *machine.Timers { return &w.s.timers }

// After calls a function while no call is answered.
func (w world) After(nanoseconds uint64, f func() error) {
	w.s.after(nanoseconds, func() {
		w.s.mu.Lock()
		defer w.s.mu.Unlock()
		if err := f(); err != nil {
			w.s.warn(fmt.Sprintf("the callback of a timer ends: %v", err))
		}
	})
}

// Types are those for which programs are relocated, whatever release is simulated.
func (w world) Types() (*layout.Types, error) { return layout.Running() }

// Flags of bpf_fib_lookup that came later.
const (
	fibVLAN      = 1 << 6 // BPF_FIB_LOOKUP_VLAN
	fibVLANInput = 1 << 7 // BPF_FIB_LOOKUP_VLAN_INPUT
)

// factsOf are what helpers do on a release.
func factsOf(r fake.Release) machine.Facts {
	since := func(major, minor int) bool { return !r.Before(fake.Version(major, minor)) }
	facts := machine.Facts{PeerEgress: since(7, 3), MoreRoom: since(7, 3), ShortDiff: since(6, 13)}
	if since(7, 0) {
		facts.MoreFIB = fibVLAN
	}
	if since(7, 3) {
		facts.MoreFIB |= fibVLANInput
	}
	return facts
}
