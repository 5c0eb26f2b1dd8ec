package lockstep

import (
	"errors"
	"fmt"
	"slices"

	"github.com/nkconform/nkconform/mprog"
)

// tcFields are fields of the requests of rtnetlink; their names are those of package
// mprog.
type tcFields struct {
	Kind     mprog.QdiscKind
	Handle   uint32
	Priority uint16
	Protocol uint16
	Chain    uint32
	Flags    mprog.NLFlags
	BPFFlags mprog.BPFFlags
}

// Filter is a filter in a list, whose program is a slot.
type Filter struct {
	mprog.Filter // without its ProgID
	Prog         int16
}

// filterState is a hook's filters as both sides list them.
type filterState struct {
	Hook
	answer, other Answer
}

// touchesFilters reports whether a step is about qdiscs or filters.
func (s *Step) touchesFilters() bool {
	switch s.Op {
	case AddQdisc, DeleteQdisc, AddFilter, DeleteFilter:
		return true
	}
	return false
}

func trafficControl(k mprog.Kernel) (mprog.TrafficControl, error) {
	tc, ok := k.(mprog.TrafficControl)
	if !ok {
		return nil, fmt.Errorf("%w: qdiscs and filters", mprog.ErrUnsupported)
	}
	return tc, nil
}

// performTC makes a request of rtnetlink.
func (s *side) performTC(k mprog.Kernel, st *Step, a *Answer) error {
	tc, err := trafficControl(k)
	if err != nil {
		return err
	}
	t := &st.TC
	qdisc := mprog.QdiscRequest{Ifindex: s.device(st.Device), Kind: t.Kind, Handle: t.Handle, Flags: t.Flags}
	filter := mprog.FilterRequest{
		Hook:   mprog.Hook{Ifindex: qdisc.Ifindex, Type: st.Type},
		Handle: t.Handle, Priority: t.Priority, Protocol: t.Protocol, Chain: t.Chain,
	}
	switch st.Op {
	case AddQdisc:
		err = tc.QdiscAdd(qdisc)
	case DeleteQdisc:
		err = tc.QdiscDelete(qdisc)
	case AddFilter:
		filter.Kind, filter.Flags, filter.FD, filter.BPFFlags = mprog.BPFKind, t.Flags, s.fdOf(st.Object), t.BPFFlags
		err = tc.FilterAdd(filter)
	case DeleteFilter:
		err = tc.FilterDelete(filter)
	}
	return a.refusal(err)
}

// watchFilters has the filters compared of both hooks of a device that a step is about.
func (w *world) watchFilters(s *Step) {
	if !s.touchesFilters() || !s.Device.slot() {
		return
	}
	if !slices.Contains(w.qdiscs, s.Device.Slot) {
		w.qdiscs = append(w.qdiscs, s.Device.Slot)
		for _, at := range []mprog.AttachType{mprog.TCXIngress, mprog.TCXEgress} {
			w.filters = append(w.filters, &filterState{Hook: Hook{s.Device.Slot, at}})
		}
	}
}

// compareFilters lists the filters of every hook that the sequence has watched.
func (w *world) compareFilters() (*Difference, error) {
	for _, f := range w.filters {
		viewer, seen := w.viewer(f.Device)
		if !seen {
			continue
		}
		f.answer.reset()
		f.other.reset()
		err := errors.Join(w.sides[0].listFilters(viewer, f.Hook, &f.answer), w.sides[1].listFilters(viewer, f.Hook, &f.other))
		if err != nil {
			return nil, err
		}
		if !f.answer.equal(&f.other) {
			hook := f.Hook
			return &Difference{Hook: &hook, A: clone(&f.answer), B: clone(&f.other)}, nil
		}
	}
	return nil, nil
}

func (s *side) listFilters(viewer int8, h Hook, a *Answer) error {
	tc, err := trafficControl(s.procs[viewer])
	if err != nil {
		return err
	}
	list, err := tc.FilterList(mprog.Hook{Ifindex: s.device(slot(h.Device)), Type: h.Type})
	for _, f := range list {
		one := Filter{f, s.progs.slot(f.ProgID)}
		one.ProgID = 0
		a.Filters = append(a.Filters, one)
	}
	return a.refusal(err)
}

// endQdiscs takes the qdiscs away that the sequence has left, so that the next one
// can use the devices.
func (w *world) endQdiscs() error {
	for _, n := range w.qdiscs {
		if w.deleted[n] || w.moved[n] {
			continue
		}
		var errnos [2]mprog.Errno
		for i, s := range w.sides {
			tc, err := trafficControl(s.env)
			if err == nil {
				err = tc.QdiscDelete(mprog.QdiscRequest{Ifindex: s.device(slot(n))})
			}
			var refused bool
			if errnos[i], refused = mprog.ErrnoOf(err); !refused {
				return fmt.Errorf("end sequence: %w", err)
			}
		}
		if errnos[0] != errnos[1] {
			return fmt.Errorf("end sequence: to delete a qdisc is answered %v and %v", errnos[0], errnos[1])
		}
	}
	return nil
}
