package lockstep

import (
	"slices"

	"github.com/nkconform/nkconform/mprog"
)

// learn notes what a step that succeeded has changed.
func (w *world) learn(s *Step, a *Answer) {
	mine := uint8(1) << s.Process
	switch s.Op {
	case CreateLink:
		w.make(s.Makes, object{
			made: true, link: true, open: mine, seen: mine, root: s.Makes, device: true,
			hook: Hook{s.Device.Slot, s.Type}, prog: s.Object.Slot,
		})
	case UpdateLink:
		if s.Object.slot() && s.Second.slot() {
			w.objects[w.objects[s.Object.Slot].root].prog = w.objects[s.Second.Slot].root
		}
	case DetachLink:
		if s.Object.slot() {
			w.objects[w.objects[s.Object.Slot].root].device = false
		}
	case Close:
		if s.Object.slot() {
			w.objects[s.Object.Slot].open &^= mine
		}
	case OpenProg, OpenLink, Get, Dup:
		o := object{made: true, open: mine, seen: mine, root: s.Makes}
		if a.Info.Object >= 0 {
			o.root = w.objects[a.Info.Object].root
		}
		o.link = a.Info.Kind == mprog.LinkObject
		w.make(s.Makes, o)
	case Pin:
		w.pins[s.Path] = true
		if s.Object.slot() {
			w.pinned[s.Path] = s.Object.Slot
		}
	case Unlink:
		w.pins[s.Path] = false
	case StartProcess:
		for len(w.procs) <= int(s.Makes) {
			w.procs = append(w.procs, process{})
		}
		w.procs[s.Makes] = process{alive: true, away: s.Away, blind: s.Without[1] != 0}
		for n := range w.objects {
			o := &w.objects[n]
			o.open = o.open&^(1<<s.Makes) | o.open&1<<s.Makes
			o.seen |= o.open
		}
	case EndProcess:
		w.procs[s.Makes].alive = false
		for n := range w.objects {
			w.objects[n].open &^= 1 << s.Makes
		}
	case DeleteDevice:
		w.forget(s.Device.Slot)
	case MoveDevice:
		w.moved[s.Device.Slot] = true
	case EndNetns:
		w.closed = true
	}
	w.endNetns()
}

// endNetns notes that the other network namespace has ended, if it has, with its
// devices and their peers.
func (w *world) endNetns() {
	if !w.closed || slices.ContainsFunc(w.procs, func(p process) bool { return p.alive && p.away }) {
		return
	}
	for n, moved := range w.moved {
		if moved && !w.deleted[n] {
			w.forget(int16(n))
		}
	}
}

func (w *world) make(n int16, o object) {
	for len(w.objects) <= int(n) {
		w.objects = append(w.objects, object{})
	}
	w.objects[n] = o
}

// forget notes that a device is deleted, with its peer.
func (w *world) forget(device int16) {
	if device < 0 {
		return
	}
	gone := []int16{device}
	if peer, ok := w.peer(device); ok {
		gone = append(gone, peer)
	}
	for _, d := range gone {
		w.deleted[d] = true
		for n := range w.objects {
			if o := &w.objects[n]; o.link && o.hook.Device == d {
				o.device = false
			}
		}
	}
}
