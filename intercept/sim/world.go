package sim

import (
	"fmt"

	"github.com/nkconform/nkconform/intercept/machine"
	"github.com/nkconform/nkconform/mprog"
)

// runnable are the types of programs that are run, and what they get.
var runnable = map[mprog.ProgType]machine.Kind{
	mprog.SchedCLS: machine.SKB, mprog.SocketFilter: machine.SKB, mprog.XDP: machine.XDP,
}

// run has a program handle a packet. What cannot be run to its end is an error,
// told once a program: whatever the program would have decided is not known, so
// that the packet must not go on.
func (s *Sim) run(p *program, packet *machine.Packet) (int32, error) {
	if v, ok := s.verdicts[p.text()]; ok {
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

// world is what a program reaches: the simulation's maps.
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

// mapView is a map as programs see it: of values that each CPU has one of, that
// of CPU 0, on which all programs run.
type mapView struct{ m *bpfMap }

var _ machine.Map = mapView{}

func (v mapView) KeySize() uint32   { return v.m.keySize }
func (v mapView) ValueSize() uint32 { return v.m.valueSize }

func (v mapView) Lookup(key []byte) []byte {
	e := &v.m.elements
	if v.m.typ.fds() {
		return nil
	}
	value := e.get(key)
	if value == nil {
		return nil
	}
	if v.m.typ.array() && v.m.memory == nil && e.values[string(key)] == nil {
		e.values[string(key)] = &element{value: value} // has an address from now on
	}
	return value[:v.m.valueSize]
}

func (v mapView) Update(key, value []byte, flags uint64) int {
	if v.m.typ.fds() {
		return int(mprog.EINVAL)
	}
	if v.m.typ.perCPU() {
		wide := make([]byte, v.m.wide())
		if old := v.m.elements.get(key); old != nil {
			copy(wide, old)
		}
		copy(wide, value)
		value = wide
	}
	return errnoNumber(v.m.elements.put(key, value, nil, flags))
}

func (v mapView) Delete(key []byte) int {
	switch {
	case v.m.typ.array():
		return int(mprog.EINVAL)
	case !v.m.elements.remove(key):
		return int(mprog.ENOENT)
	}
	return 0
}

func (v mapView) Inner(key []byte) (id uint32, ok bool) {
	if !v.m.typ.outer() {
		return 0, false
	}
	inner := v.m.elements.values[string(key)]
	if inner == nil {
		return 0, false
	}
	return inner.object.ID, true
}

func (v mapView) Tail(index uint32) *machine.Program {
	if v.m.typ != progArray {
		return nil
	}
	tail := v.m.elements.values[string(native.AppendUint32(nil, index))]
	if tail == nil {
		return nil
	}
	if p := v.m.sim.programs[tail.object.ID]; p != nil {
		return p.code
	}
	return nil
}

func (v mapView) Push(value []byte, flags uint64) int {
	return errnoNumber(v.m.elements.push(value, flags))
}

func (v mapView) Pop(remove bool) []byte { return v.m.elements.pop(remove) }

func errnoNumber(err error) int {
	errno, _ := mprog.ErrnoOf(err)
	return int(errno)
}
