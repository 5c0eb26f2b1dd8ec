package races

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nkconform/nkconform/conformance"
	"github.com/nkconform/nkconform/explore"
	"github.com/nkconform/nkconform/fake"
	"github.com/nkconform/nkconform/mprog"
	"github.com/nkconform/nkconform/trace"
)

var rewrite = flag.Bool("update", false, "write what is found to testdata")

const hook = "nk0:primary"

// race is an agent with a bug and one without, in the same world.
type race struct {
	name         string
	broken       string // the invariant
	buggy, fixed func(*explore.World)
}

var races = []race{
	{"create then pin", "never twice", createPin(CreateThenPin), createPin(PinThenAttach)},
	{"stale", "one leader", leaders(AttachAnyway), leaders(LookAgain)},
	{"gap", "never a gap", move(RemoveThenAdd), move(AddThenRemove)},
	{"enolink", "never detached", comeback(UnpinDefunct), comeback(PinByDevice)},
	{"adopt", "theirs stays", adopt(AdoptLast), adopt(AdoptOwn)},
	{"insist", "livelock", first(InsistOnFirst), first(SettleForPlace)},
	{"position", "theirs stays", visitors(DetachLast), visitors(DetachOwn)},
}

func createPin(agent func(uint32) func(mprog.Kernel) error) func(*explore.World) {
	return func(w *explore.World) {
		nk0 := w.Netkit("nk0", "nk1")
		w.Agent("ours", agent(nk0), explore.Crash(1), explore.Restart(), explore.Exits())
		w.Agent("bystander", Bystander(nk0))
		w.Always("never twice", func(s explore.State) error {
			if n := s.Count(hook, "mine"); n > 1 {
				return fmt.Errorf("mine is attached %d times", n)
			}
			return nil
		})
		w.Finally("attached", func(s explore.State) error {
			if s.Count(hook, "mine") == 0 {
				return errors.New("mine is not attached")
			}
			return nil
		})
	}
}

func leaders(agent func(uint32) func(mprog.Kernel) error) func(*explore.World) {
	return func(w *explore.World) {
		nk0 := w.Netkit("nk0", "nk1")
		w.Agent("one", agent(nk0))
		w.Agent("two", agent(nk0))
		w.Always("one leader", func(s explore.State) error {
			if n := s.Count(hook, "leader"); n > 1 {
				return fmt.Errorf("there are %d leaders", n)
			}
			return nil
		})
	}
}

func move(agent func(ifindex, old uint32) func(mprog.Kernel) error) func(*explore.World) {
	return func(w *explore.World) {
		nk0, old := w.Netkit("nk0", "nk1"), w.Prog("policy")
		if err := w.Kernel().ProgAttach(mprog.AttachRequest{TargetIfindex: nk0, AttachType: Primary, AttachFD: old}); err != nil {
			panic(err)
		}
		w.Agent("mover", agent(nk0, old), explore.Crash(1), explore.Restart())
		w.Agent("bystander", Bystander(nk0))
		w.OnceHeld("never a gap", func(s explore.State) error {
			if s.Count(hook, "policy")+s.Count("nk0:egress", "policy") == 0 {
				return errors.New("nothing has a policy")
			}
			return nil
		})
	}
}

func comeback(agent func(uint32) func(mprog.Kernel) error) func(*explore.World) {
	return func(w *explore.World) {
		gone, k := w.Netkit("nk8", "nk9"), w.Kernel()
		must(agent(gone)(stage{k}))
		for fd := uint32(3); fd < 9; fd++ {
			_ = k.Close(fd) // the pin stays
		}
		must(k.DeleteDevice(gone))
		nk0 := w.Netkit("nk0", "nk1")
		w.Agent("one", agent(nk0), explore.Exits())
		w.Agent("two", agent(nk0), explore.Exits())
		w.OnceHeld("never detached", func(s explore.State) error {
			if s.Count(hook, "shared") == 0 {
				return errors.New("none is attached")
			}
			return nil
		})
		w.Finally("attached once", func(s explore.State) error {
			if n := s.Count(hook, "shared"); n != 1 {
				return fmt.Errorf("%d are attached", n)
			}
			return nil
		})
	}
}

// stage is the first process as agents have it.
type stage struct{ *fake.Kernel }

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func adopt(agent func(ifindex, prog uint32) func(mprog.Kernel) error) func(*explore.World) {
	return func(w *explore.World) {
		nk0, prog := w.Netkit("nk0", "nk1"), w.Prog("ours")
		_, err := w.Kernel().LinkCreate(mprog.LinkCreateRequest{TargetIfindex: nk0, AttachType: Primary, ProgFD: prog})
		must(err)
		w.Agent("adopter", agent(nk0, prog))
		w.Agent("bystander", LinkedBystander(nk0))
		theirsStays(w)
	}
}

func theirsStays(w *explore.World) {
	w.OnceHeld("theirs stays", func(s explore.State) error {
		if s.Count(hook, "theirs") == 0 {
			return errors.New("theirs is gone")
		}
		return nil
	})
}

func first(agent func(uint32, string) func(mprog.Kernel) error) func(*explore.World) {
	return func(w *explore.World) {
		nk0 := w.Netkit("nk0", "nk1")
		w.Agent("one", agent(nk0, "a"))
		w.Agent("two", agent(nk0, "b"))
	}
}

func visitors(agent func(uint32) func(mprog.Kernel) error) func(*explore.World) {
	return func(w *explore.World) {
		nk0 := w.Netkit("nk0", "nk1")
		w.Agent("visitor", agent(nk0))
		w.Agent("bystander", Bystander(nk0))
		theirsStays(w)
	}
}

// Each of the bugs is found, and the fixed twins are explored completely.
func TestRaces(t *testing.T) {
	for _, r := range races {
		t.Run(r.name, func(t *testing.T) {
			found, err := explore.Look(t, r.buggy)
			require.NoError(t, err)
			require.Len(t, found.Findings, 1)
			t.Log(found)
			require.Equal(t, r.broken, found.Findings[0].Invariant)
			plays(t, found.Findings[0])
			fixed := explore.Test(t, r.fixed)
			require.True(t, fixed.Complete)
		})
	}
}

// plays has the trace of a finding play on the fake, where it must come to the same.
func plays(t *testing.T, f *explore.Finding) {
	require.Empty(t, f.Unsaid)
	file := filepath.Join("testdata", strings.ReplaceAll(t.Name()[len("TestRaces/"):], " ", "_")+".trace")
	if *rewrite {
		require.NoError(t, os.WriteFile(file, []byte(f.Trace.String()), 0o666))
	}
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, string(text), f.Trace.String())
	parsed, err := trace.Parse("finding", f.Trace.String())
	require.NoError(t, err, f.Trace)
	k := fake.New()
	result := conformance.Run(k, conformance.Scenario{ID: "finding", Trace: parsed})
	require.Equal(t, conformance.Passed, result.Status, "%+v", result.Failure)
	require.NoError(t, k.Shutdown())
}

// With and without reduction the same is found.
func TestReduction(t *testing.T) {
	for _, r := range races {
		for name, world := range map[string]func(*explore.World){"buggy": r.buggy, "fixed": r.fixed} {
			t.Run(r.name+" "+name, func(t *testing.T) {
				reduced, err := explore.Look(t, world, explore.All())
				require.NoError(t, err)
				plain, err := explore.Look(t, world, explore.All(), explore.NoReduction(), explore.Runs(20_000))
				require.NoError(t, err)
				require.Equal(t, broken(plain), broken(reduced))
				t.Logf("%d runs instead of %d", reduced.Runs, plain.Runs)
			})
		}
	}
}

// broken lists what is broken.
func broken(r *explore.Report) map[string]bool {
	names := map[string]bool{}
	for _, f := range r.Findings {
		names[f.Invariant] = true
	}
	return names
}
