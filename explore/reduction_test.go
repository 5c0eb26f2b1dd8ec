package explore_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nkconform/nkconform/explore"
	"github.com/nkconform/nkconform/mprog"
)

// Whatever can come of a world does so as well where orders are left out that show
// nothing new: every end, and every state on the way.
func TestReductionLosesNothing(t *testing.T) {
	linked := func(name string, nk0 uint32) func(mprog.Kernel) error {
		return func(k mprog.Kernel) error {
			prog, err := explore.Load(k, name)
			if err != nil {
				return err
			}
			l, err := k.LinkCreate(mprog.LinkCreateRequest{ProgFD: prog, TargetIfindex: nk0, AttachType: mprog.NetkitPrimary})
			if err != nil {
				return err
			}
			return k.ObjPin(mprog.PinRequest{FD: l, Path: mprog.BPFFS + "/" + name})
		}
	}
	goroutines := func(nk0 uint32) func(mprog.Kernel) error {
		return func(k mprog.Kernel) error {
			prog, err := explore.Load(k, "g")
			if err != nil {
				return err
			}
			var wg sync.WaitGroup
			wg.Go(func() {
				_ = k.ProgAttach(mprog.AttachRequest{AttachFD: prog, TargetIfindex: nk0, AttachType: mprog.NetkitPrimary})
			})
			wg.Go(func() { _ = k.ObjPin(mprog.PinRequest{FD: prog, Path: pin}) })
			wg.Go(func() { _, _ = look(k, nk0) })
			wg.Wait()
			return k.ProgDetach(mprog.DetachRequest{TargetIfindex: nk0, AttachType: mprog.NetkitPrimary})
		}
	}
	for name, world := range map[string]func(w *explore.World, nk0 uint32){
		"faults": func(w *explore.World, nk0 uint32) {
			w.Agent("one", linked("a", nk0), explore.Fault("", mprog.ENOMEM), explore.LostAnswer(mprog.OpLinkCreate, mprog.EINTR), explore.Exits())
			w.Agent("two", linked("b", nk0), explore.LostAnswer("", mprog.EINTR))
		},
		"crashes": func(w *explore.World, nk0 uint32) {
			w.Agent("one", linked("a", nk0), explore.Crash(1), explore.Restart())
			w.Agent("two", linked("b", nk0), explore.Crash(1))
		},
		"events": func(w *explore.World, nk0 uint32) {
			w.Agent("one", linked("a", nk0), explore.Exits())
			w.Agent("two", linked("b", nk0))
			w.Delete("nk0")
		},
		"same": func(w *explore.World, nk0 uint32) {
			w.Agent("one", linked("a", nk0), explore.Exits(), explore.Crash(1))
			w.Agent("two", linked("a", nk0), explore.Exits())
		},
		"goroutines": func(w *explore.World, nk0 uint32) {
			w.Agent("one", goroutines(nk0))
			w.Agent("two", linked("b", nk0))
		},
	} {
		t.Run(name, func(t *testing.T) {
			all := func(opts ...explore.Option) (states, ends map[string]bool) {
				states, ends = map[string]bool{}, map[string]bool{}
				r, err := explore.Look(t, func(w *explore.World) {
					world(w, w.Netkit("nk0", "nk1"))
					tell := func(s explore.State) string {
						return fmt.Sprint(s.Hook("nk0", mprog.NetkitPrimary), s.Revision("nk0:primary"), s.Pins(), s.Processes())
					}
					w.Always("seen", func(s explore.State) error { states[tell(s)] = true; return nil })
					w.Finally("end", func(s explore.State) error { ends[tell(s)] = true; return nil })
				}, opts...)
				require.NoError(t, err)
				require.True(t, r.Complete, r.Cut)
				t.Logf("%d runs, %d states, %d ends", r.Runs, len(states), len(ends))
				return states, ends
			}
			reducedStates, reducedEnds := all()
			plainStates, plainEnds := all(explore.NoReduction())
			require.Equal(t, plainEnds, reducedEnds)
			require.Equal(t, plainStates, reducedStates)
		})
	}
}
