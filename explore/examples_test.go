package explore_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/nkconform/nkconform/api/link"
	"github.com/nkconform/nkconform/examples/benign"
	"github.com/nkconform/nkconform/examples/priority"
	"github.com/nkconform/nkconform/examples/upsert"
	"github.com/nkconform/nkconform/explore"
	"github.com/nkconform/nkconform/fake"
	"github.com/nkconform/nkconform/mprog"
)

// loaded has an agent load a program of a name first.
func loaded(name string, run func(mprog.Kernel, *link.Program) error) func(mprog.Kernel) error {
	return func(k mprog.Kernel) error {
		prog, err := link.NewProgram(k.(link.Loader), mprog.ProgSpec{Name: name})
		if err != nil {
			return err
		}
		return run(k, prog)
	}
}

// Two agents of examples/upsert, one of which is killed: there is one link in the end,
// whoever made it.
func TestUpsert(t *testing.T) {
	explore.Test(t, func(w *explore.World) {
		nk0 := int(w.Netkit("nk0", "nk1"))
		agent := loaded("v", func(k mprog.Kernel, prog *link.Program) error { return upsert.Upsert(k, nk0, prog, pin) })
		w.Agent("ours", agent, explore.Crash(1), explore.Restart(), explore.Exits())
		w.Agent("theirs", agent, explore.Exits())
		pinnedStays(w)
		w.Finally("once", func(s explore.State) error {
			if n := s.Count("nk0:primary", "v"); n != 1 {
				return fmt.Errorf("%d are attached", n)
			}
			for _, p := range s.Processes() {
				if p.Err != nil {
					return fmt.Errorf("%s: %w", p.Agent, p.Err)
				}
			}
			return nil
		})
	})
}

// pinnedStays wants a link that is pinned to stay attached.
func pinnedStays(w *explore.World) {
	w.OnceHeld("attached and pinned", func(s explore.State) error {
		shot := s.Snapshot()
		for _, l := range shot.Links {
			pinned := slices.ContainsFunc(shot.Pins, func(p fake.PinShot) bool { return p.Kind == mprog.LinkObject && p.ID == l.ID })
			if l.Device == "nk0" && pinned {
				return nil
			}
		}
		return errors.New("it is gone")
	})
}

// The device of the pinned link is gone, and two agents find that out.
func TestUpsertDefunct(t *testing.T) {
	explore.Test(t, func(w *explore.World) {
		k := w.Kernel()
		gone := w.Netkit("nk8", "nk9")
		must(upsert.Upsert(k, int(gone), mustLoad(k, "old"), pin))
		must(k.DeleteDevice(gone))
		nk0 := int(w.Netkit("nk0", "nk1"))
		agent := loaded("v", func(k mprog.Kernel, prog *link.Program) error { return upsert.Upsert(k, nk0, prog, pin) })
		w.Agent("ours", agent, explore.Crash(1), explore.Restart(), explore.Exits())
		w.Agent("theirs", agent, explore.Exits())
		w.Finally("once", func(s explore.State) error {
			if n := s.Count("nk0:primary", "v"); n != 1 {
				return fmt.Errorf("%d are attached", n)
			}
			return nil
		})
		pinnedStays(w)
	})
}

// Agents of examples/priority stand in order whenever all are done.
func TestPriority(t *testing.T) {
	explore.Test(t, func(w *explore.World) {
		nk0 := int(w.Netkit("nk0", "nk1"))
		order := map[string]int{"first": 1, "second": 2}
		agent := func(k mprog.Kernel, prog *link.Program) error {
			_, err := priority.Owner{Kernel: k, Priorities: order}.Attach(nk0, prog)
			return err
		}
		w.Agent("one", loaded("first", agent), explore.Crash(1), explore.Restart())
		w.Agent("two", loaded("second", agent))
		w.Finally("in order", func(s explore.State) error {
			if p := s.Programs("nk0:primary"); len(p) != 2 || p[0] != "first" {
				return fmt.Errorf("%v", p)
			}
			return nil
		})
	})
}

// An agent of examples/benign never touches what is not its own.
func TestBenign(t *testing.T) {
	explore.Test(t, func(w *explore.World) {
		nk0 := int(w.Netkit("nk0", "nk1"))
		prog := w.Prog("ours")
		w.Agent("ours", func(k mprog.Kernel) error {
			p, err := link.NewProgramFromFD(k, int(prog))
			if err != nil {
				return err
			}
			for range 2 { // the interface is reported twice
				if _, err := benign.Attach(k, nk0, p); err != nil {
					return err
				}
			}
			return nil
		}, explore.Crash(1), explore.Restart())
		w.Agent("theirs", loaded("theirs", func(k mprog.Kernel, prog *link.Program) error {
			_, err := benign.Attach(k, nk0, prog)
			return err
		}))
		w.OnceHeld("theirs stays", func(s explore.State) error {
			if s.Count("nk0:ingress", "theirs") == 0 {
				return errors.New("it is gone")
			}
			return nil
		})
		w.Finally("both", func(s explore.State) error {
			if s.Count("nk0:ingress", "ours") != 1 || s.Agent("ours").Err != nil {
				return fmt.Errorf("%v, and ours returned %v", s.Programs("nk0:ingress"), s.Agent("ours").Err)
			}
			return nil
		})
	})
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func mustLoad(k link.Loader, name string) *link.Program {
	prog, err := link.NewProgram(k, mprog.ProgSpec{Name: name})
	must(err)
	return prog
}
