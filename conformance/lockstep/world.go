package lockstep

import (
	"errors"
	"fmt"
	"slices"

	"github.com/nkconform/nkconform/mprog"
)

// Stage is what a sequence begins with, besides the programs that all have.
type Stage struct {
	// Devices are made one after the other. A pair of netkit devices takes two
	// slots, the primary's and the peer's; slot 0 is lo.
	Devices []mprog.DeviceKind
	// Netns is a second network namespace, to which devices can move.
	Netns bool
}

// slots returns how many slots of devices the stage has.
func (s Stage) slots() int16 {
	n := int16(1)
	for _, kind := range s.Devices {
		if n++; kind == mprog.Netkit {
			n++
		}
	}
	return n
}

// kind returns the kind of the device of a slot, "" for lo and for no device.
func (s Stage) kind(device int16) mprog.DeviceKind {
	n := int16(1)
	for _, kind := range s.Devices {
		if device == n || kind == mprog.Netkit && device == n+1 {
			return kind
		}
		if n++; kind == mprog.Netkit {
			n++
		}
	}
	return ""
}

// object is what is known of a slot.
type object struct {
	made   bool
	link   bool
	open   uint8 // bit for each process that has the fd open
	seen   uint8 // bit for each process that ever had it
	root   int16 // the slot that the object was made as
	hook   Hook  // of a link
	prog   int16 // of a link
	device bool  // a link that was attached and not detached since
}

// process is what is known of a process.
type process struct {
	alive, away, blind bool // away: in the other network namespace; blind: may not query
}

// hookState is a hook as both sides show it.
type hookState struct {
	Hook
	gone     bool   // the device is deleted
	revision uint64 // the real one, also of an empty hook
	answer   Answer
	other    Answer   // scratch
	shown    [2]shown // by side
}

// world is both sides in the middle of a sequence, and what their common
// answers tell of the state.
type world struct {
	sides   [2]*side
	stage   Stage
	objects []object
	procs   []process
	deleted []bool // by slot of the device
	moved   []bool // by slot of the device: to the other network namespace
	closed  bool   // the other network namespace has been ended
	pins    [maxPaths]bool
	pinned  [maxPaths]int16
	hooks   []*hookState
	filters []*filterState
	qdiscs  []int16 // slots of devices that may have one
	answers [2]Answer

	devices []device // of the sequence, one for each of the stage
	spare   []device // left by earlier sequences
	counter int      // of all devices made, for their names
}

// errSkipped is returned for a step that an environment cannot perform, so that
// neither has.
var errSkipped = errors.New("skipped")

// errCut is returned when one environment performed a step and the other could
// not: the sequence is at its end.
var errCut = errors.New("cut short")

// Difference is where two environments disagree.
type Difference struct {
	Hook *Hook // whose state differs, by its programs or filters; nil: it is the answer
	A, B Answer
}

func (w *world) begin(stage Stage) error {
	w.stage = stage
	w.objects = w.objects[:0]
	for n := range int16(firstDynamic) {
		w.objects = append(w.objects, object{made: true, open: 1, seen: 1, root: n})
	}
	w.procs = append(w.procs[:0], process{alive: true})
	w.deleted, w.moved, w.closed = make([]bool, stage.slots()), make([]bool, stage.slots()), false
	w.pins, w.hooks, w.filters, w.qdiscs = [maxPaths]bool{}, w.hooks[:0], w.filters[:0], w.qdiscs[:0]
	if stage.Netns {
		for _, s := range w.sides {
			var err error
			if s.netns, err = s.env.NewNetns(); err != nil {
				return fmt.Errorf("begin sequence: %w", err)
			}
		}
	}
	return w.beginDevices()
}

// viewer returns a process that can query the hooks of a device, if there is one.
func (w *world) viewer(device int16) (int8, bool) {
	if !w.moved[device] {
		return 0, true
	}
	for n, p := range w.procs {
		if p.alive && p.away && !p.blind {
			return int8(n), true
		}
	}
	return 0, false
}

// away reports whether a step is made in the other network namespace.
func (w *world) away(s *Step) bool { return int(s.Process) < len(w.procs) && w.procs[s.Process].away }

// end takes away what the sequence has left. Devices are kept for the next one
// unless each sequence has its own.
func (w *world) end(fresh bool) error {
	err := errors.Join(w.endQdiscs(), w.sides[0].end(w.objects, w.pins), w.sides[1].end(w.objects, w.pins))
	if fresh {
		return err
	}
	return errors.Join(err, w.endDevices())
}

// closeLink returns a step that closes a link of the first process.
func (w *world) closeLink() (Step, bool) {
	for n := firstDynamic; n < len(w.objects); n++ {
		if o := &w.objects[n]; o.link && o.open&1 != 0 {
			return Step{Op: Close, Device: zero, Object: slot(int16(n)), Second: zero, Third: zero, Relative: zero}, true
		}
	}
	return Step{}, false
}

// watch has a hook compared from now on. The memory is that of earlier sequences.
func (w *world) watch(h Hook) {
	var s *hookState
	if n := len(w.hooks); n < cap(w.hooks) {
		s = w.hooks[:n+1][n]
	}
	if s == nil {
		s = &hookState{}
	}
	s.answer.reset()
	s.Hook, s.gone, s.revision, s.shown[0].known, s.shown[1].known = h, false, w.oldRevision(h), false, false
	w.hooks = append(w.hooks, s)
}

// hook returns the state of a hook, which is fetched when it is new.
func (w *world) hook(h Hook) *hookState {
	for _, s := range w.hooks {
		if s.Hook == h {
			return s
		}
	}
	return nil
}

// peer returns the other end of a device that is an end of a pair.
func (w *world) peer(device int16) (int16, bool) {
	n := int16(1)
	for _, kind := range w.stage.Devices {
		if kind == mprog.Netkit {
			if device == n || device == n+1 {
				return 2*n + 1 - device, true
			}
			n++
		}
		n++
	}
	return 0, false
}

// expected returns the revision that a step expects.
func (w *world) expected(s *Step) uint64 {
	switch s.Revision.Kind {
	case Absolute:
		return uint64(s.Revision.Value)
	case FromCurrent:
		current := uint64(1)
		if h, ok := s.touches(); ok {
			if state := w.hook(h); state != nil {
				current = state.revision
			}
		}
		return current + uint64(s.Revision.Value)
	}
	return 0
}

// normal replaces whatever the process of a step cannot name by a number that
// is nothing.
func (w *world) normal(s *Step) {
	if byID := s.Op == OpenProg || s.Op == OpenLink || s.Op == NextProg || s.Op == NextLink; byID {
		w.normalID(&s.Object, s.Op == OpenLink || s.Op == NextLink)
	} else {
		w.normalFD(s, &s.Object)
	}
	if (s.Op == Close || s.Op == Dup) && !s.Object.slot() && s.Object.Raw <= 2 {
		s.Object = raw(unbound) // those stay open, and are no objects
	}
	w.normalFD(s, &s.Second)
	w.normalFD(s, &s.Third)
	if s.ByID = s.Flags&mprog.ID != 0; s.ByID {
		w.normalID(&s.Relative, s.Flags&mprog.Link != 0)
	} else {
		w.normalFD(s, &s.Relative)
	}
	if (s.Op == DeleteDevice || s.Op == MoveDevice) && !s.Device.slot() {
		s.Device = raw(unbound) // rtnetlink has more to say of others
	}
	if s.Device == slot(0) && w.away(s) {
		s.Device = raw(unbound) // that would be another lo
	}
	if s.Device.slot() && s.Device.Slot >= w.stage.slots() || s.Device.Slot < 0 && small(s.Device.Raw) {
		s.Device = raw(unbound)
	}
}

// small reports whether a number may be that of an object or device on one
// side and not on the other.
func small(n uint32) bool { return n > 0 && n < 1<<24 }

// normalFD makes a reference one that means the same on both sides as an fd.
func (w *world) normalFD(s *Step, r *Ref) {
	switch {
	case !r.slot():
		if small(r.Raw) && r.Raw > 2 { // 0, 1 and 2 are open everywhere
			*r = raw(unbound)
		}
	case int(r.Slot) >= len(w.objects) || w.objects[r.Slot].seen>>s.Process&1 == 0:
		*r = raw(unbound)
	}
}

// normalID does so for an id. The ids of programs and of links are apart: one of
// the other kind may or may not be taken.
func (w *world) normalID(r *Ref, link bool) {
	switch {
	case !r.slot():
		if small(r.Raw) {
			*r = raw(unbound)
		}
	case int(r.Slot) >= len(w.objects) || !w.objects[r.Slot].made || w.objects[r.Slot].link != link:
		*r = raw(unbound)
	}
}

// do performs a step on both sides and compares. Its step is normal
// afterwards.
func (w *world) do(s *Step) (*Difference, error) {
	if int(s.Process) >= len(w.procs) || !w.procs[s.Process].alive {
		return nil, errSkipped
	}
	if s.Op == EndProcess && (int(s.Makes) >= len(w.procs) || !w.procs[s.Makes].alive) {
		return nil, errSkipped
	}
	if s.Op == Fill && (!s.Object.slot() || int(s.Object.Slot)+int(s.Count) > schedProgs) {
		return nil, errSkipped
	}
	if s.makesObject() && int(s.Makes) < len(w.objects) && w.objects[s.Makes].made {
		return nil, errSkipped // in a replay, which has steps succeed that did not
	}
	w.normal(s)
	if s.Op == Fill && !s.Object.slot() {
		return nil, errSkipped
	}
	if s.Op == EndNetns && !w.stage.Netns || s.Op == Send && w.closed {
		return nil, errSkipped // a real kernel's peer is reached by the namespace's fd
	}
	if h, ok := s.touches(); ok && w.hook(h) == nil && s.Op != Query {
		w.watch(h)
	}
	w.watchFilters(s)
	s.expected = w.expected(s)
	a, b := &w.answers[0], &w.answers[1]
	errA := w.sides[0].perform(s, s.expected, a)
	if errors.Is(errA, mprog.ErrUnsupported) {
		return nil, errSkipped
	}
	errB := w.sides[1].perform(s, s.expected, b)
	switch {
	case errors.Is(errB, mprog.ErrUnsupported):
		return nil, errCut
	case errA != nil || errB != nil:
		return nil, fmt.Errorf("step %d: %w", s.Op, errors.Join(errA, errB))
	}
	// Another program's ids may come between.
	foreign := (s.Op == NextProg || s.Op == NextLink) && (a.Next == unknown || b.Next == unknown)
	if a.Panic != "" || b.Panic != "" || !foreign && !a.equal(b) {
		return &Difference{A: clone(a), B: clone(b)}, nil
	}
	if a.Errno == 0 {
		w.learn(s, a)
	}
	difference, err := w.compareHooks(s, a)
	if difference == nil && err == nil {
		difference, err = w.compareFilters()
	}
	return difference, err
}

func clone(a *Answer) Answer {
	c := *a
	c.Entries, c.Filters = slices.Clone(a.Entries), slices.Clone(a.Filters)
	return c
}

// compareHooks queries every hook that the sequence has touched.
func (w *world) compareHooks(s *Step, answer *Answer) (*Difference, error) {
	for _, h := range w.hooks {
		viewer, seen := w.viewer(max(h.Device, 0))
		if h.gone || !seen {
			continue
		}
		changed := w.sides[0].look(viewer, h.Hook, &h.shown[0])
		if !w.sides[1].look(viewer, h.Hook, &h.shown[1]) && !changed {
			continue
		}
		old := h.answer.Revision
		was := len(h.answer.Entries)
		if err := errors.Join(w.sides[0].translate(&h.shown[0], &h.answer), w.sides[1].translate(&h.shown[1], &h.other)); err != nil {
			return nil, err
		}
		if !h.answer.equal(&h.other) {
			hook := h.Hook
			return &Difference{Hook: &hook, A: clone(&h.answer), B: clone(&h.other)}, nil
		}
		h.gone = h.answer.Errno == mprog.ENODEV
		switch {
		case len(h.answer.Entries) > 0:
			h.revision = h.answer.Revision
		case was > 0 && h.Type.Netkit():
			h.revision = old + 1 // an empty hook of netkit hides it
		case h.Type.Netkit():
		default: // 1, unless a qdisc keeps it
			h.revision = h.answer.Revision
		}
	}
	return nil, nil
}
