package explore_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/nkconform/nkconform/explore"
	"github.com/nkconform/nkconform/fake"
	"github.com/nkconform/nkconform/mprog"
	"github.com/nkconform/nkconform/trace"
)

const pin = mprog.BPFFS + "/agent"

// alone is a world of one agent.
func alone(run func(mprog.Kernel) error, opts ...explore.AgentOption) func(*explore.World) {
	return func(w *explore.World) {
		w.Netkit("nk0", "nk1")
		w.Agent("ours", run, opts...)
	}
}

// loads loads a number of programs.
func loads(k mprog.Kernel, names ...string) error {
	for _, name := range names {
		if _, err := explore.Load(k, name); err != nil {
			return err
		}
	}
	return nil
}

// What makes exploring pointless is told in one sentence.
func TestPointless(t *testing.T) {
	for _, tc := range []struct {
		name  string
		world func(*explore.World)
		want  string
	}{
		{"no agents", func(*explore.World) {}, "the world has no agents"},
		{"random", alone(func(k mprog.Kernel) error {
			return loads(k, "a", fmt.Sprintf("b%d", rand.Uint64()%1e9), "c")
		}, explore.Fault(mprog.OpProgLoad, mprog.ENOMEM)), "agent ours: it makes other calls when it is run again with the same answers: call 2 was prog load"},
		{"mutex", alone(func(k mprog.Kernel) error {
			var mu sync.Mutex
			var wg sync.WaitGroup
			for range 2 {
				wg.Go(func() {
					mu.Lock()
					defer mu.Unlock()
					_ = loads(k, "a")
				})
			}
			wg.Wait()
			return nil
		}), "agent ours: a goroutine waits for a sync.Mutex at "},
		{"cgroup", alone(func(k mprog.Kernel) error { return k.ProgAttach(mprog.AttachRequest{AttachType: 0}) }),
			"hooks of netkit and tcx are explored, and no others"},
		{"no end without a call", alone(func(mprog.Kernel) error { select {} }), "agent ours: the agent waits for something that never comes"},
		{"wrong at the start", func(w *explore.World) {
			alone(func(k mprog.Kernel) error { return loads(k, "a") })(w)
			w.Always("mine", func(s explore.State) error {
				if s.Count("nk0:primary", "mine") != 1 {
					return errors.New("it is not there")
				}
				return nil
			})
		}, `invariant "mine" does not hold at the start, before any agent has made a call: it is not there`},
		{"wrong hook", func(w *explore.World) {
			alone(func(k mprog.Kernel) error { return loads(k, "a") })(w)
			w.Finally("mine", func(s explore.State) error { _ = s.Programs("nk8:primary"); return nil })
		}, `invariant "mine" panics: the world has no device "nk8"`},
		{"wrong name of a hook", func(w *explore.World) {
			alone(func(k mprog.Kernel) error { return loads(k, "a") })(w)
			w.Finally("mine", func(s explore.State) error { _ = s.Programs("nk0"); return nil })
		}, `invariant "mine" panics: "nk0" is no hook`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := explore.Look(t, tc.world, explore.Patience(20*time.Second))
			require.ErrorContains(t, err, tc.want)
		})
	}
}

// What agents do wrong whatever others do is a finding.
func TestAgent(t *testing.T) {
	for _, tc := range []struct {
		name string
		run  func(mprog.Kernel) error
		want string
	}{
		{"panic", func(k mprog.Kernel) error { _ = loads(k, "a"); panic("out of luck") }, "the agent panics: out of luck, at "},
		{"FailNow", func(k mprog.Kernel) error { _ = loads(k, "a"); runtime.Goexit(); return nil }, "the agent ends its goroutine"},
		{"no end", func(k mprog.Kernel) error {
			for {
				if _, err := k.ObjGet(mprog.GetRequest{Path: pin}); err == nil {
					return nil
				}
				time.Sleep(time.Second)
			}
		}, "it never ends: it has made 300 calls, with nobody else left to act, and the next is object get"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r, err := explore.Look(t, alone(tc.run))
			require.NoError(t, err)
			require.Len(t, r.Findings, 1)
			require.Contains(t, r.Findings[0].Text, tc.want)
		})
	}
}

// A poller waits for what another agent does: it is not unfair to it, and no finding.
func TestPoller(t *testing.T) {
	r := explore.Test(t, func(w *explore.World) {
		w.Agent("poller", func(k mprog.Kernel) error {
			for {
				if _, err := k.ObjGet(mprog.GetRequest{Path: pin}); err == nil {
					return nil
				}
				time.Sleep(time.Minute)
			}
		})
		w.Agent("maker", func(k mprog.Kernel) error {
			prog, err := explore.Load(k, "a")
			if err != nil {
				return err
			}
			return k.ObjPin(mprog.PinRequest{FD: prog, Path: pin})
		})
		w.Finally("found", func(s explore.State) error { return s.Agent("poller").Err })
	})
	require.True(t, r.Complete)
}

// The clock of an agent is that of its bubble, and every process starts at another time.
func TestClock(t *testing.T) {
	names := map[string]bool{}
	explore.Test(t, alone(func(k mprog.Kernel) error {
		began := time.Now()
		time.Sleep(time.Hour)
		if d := time.Since(began); d != time.Hour {
			return fmt.Errorf("an hour took %v", d)
		}
		name := fmt.Sprintf("at%d", time.Now().Unix()%1_000_000)
		names[name] = true
		return loads(k, name)
	}, explore.Crash(1), explore.Restart()))
	require.Len(t, names, 2)
}

// Goroutines of an agent come in every order.
func TestGoroutines(t *testing.T) {
	orders := map[string]bool{}
	r := explore.Test(t, func(w *explore.World) {
		nk0 := w.Netkit("nk0", "nk1")
		w.Agent("ours", func(k mprog.Kernel) error {
			var wg sync.WaitGroup
			for _, name := range []string{"a", "b", "c"} {
				wg.Go(func() {
					prog, err := explore.Load(k, name)
					if err == nil {
						_ = k.ProgAttach(mprog.AttachRequest{AttachFD: prog, TargetIfindex: nk0, AttachType: mprog.NetkitPrimary})
					}
				})
			}
			wg.Wait()
			return nil
		})
		w.Finally("all", func(s explore.State) error {
			orders[fmt.Sprint(s.Programs("nk0:primary"))] = true
			return nil
		})
	})
	require.True(t, r.Complete)
	require.Len(t, orders, 6)
}

// Goroutines that do not end with their process do no harm.
func TestLeftBehind(t *testing.T) {
	r := explore.Test(t, alone(func(k mprog.Kernel) error {
		never := make(chan bool)
		go func() { <-never }()
		go func() {
			for range time.Tick(time.Hour) {
			}
		}()
		return loads(k, "a", "b")
	}, explore.Fault("", mprog.ENOMEM)))
	require.True(t, r.Complete)
	require.Equal(t, 3, r.Runs)
}

// Crashes, faults, lost answers and devices that go are all tried, at every moment.
func TestDisturbances(t *testing.T) {
	ends := map[string]bool{}
	r := explore.Test(t, func(w *explore.World) {
		nk0 := w.Netkit("nk0", "nk1")
		w.Agent("ours", func(k mprog.Kernel) error {
			prog, err := explore.Load(k, "a")
			if err != nil {
				return err
			}
			_, err = k.LinkCreate(mprog.LinkCreateRequest{ProgFD: prog, TargetIfindex: nk0, AttachType: mprog.NetkitPrimary})
			return err
		}, explore.Crash(1), explore.Fault(mprog.OpLinkCreate, mprog.ENOMEM), explore.LostAnswer(mprog.OpLinkCreate, mprog.EINTR))
		w.Delete("nk0")
		w.Finally("seen", func(s explore.State) error {
			p := s.Agent("ours")
			errno, _ := mprog.ErrnoOf(p.Err)
			ends[fmt.Sprintf("alive %t, returned %t %v, there %d, links %d", p.Alive, p.Returned, errno, s.Count("nk0:primary", "a"), len(s.Links()))] = true
			return nil
		})
	})
	require.True(t, r.Complete)
	for _, want := range []string{
		"alive true, returned true 0, there 1, links 1",      // nothing happens
		"alive true, returned true 0, there 0, links 1",      // the device goes: the link is defunct
		"alive true, returned true ENODEV, there 0, links 0", // it goes earlier
		"alive true, returned true ENOMEM, there 0, links 0", // refused
		"alive true, returned true EINTR, there 1, links 1",  // the answer is lost
		"alive false, returned false 0, there 0, links 0",    // killed
	} {
		require.Contains(t, ends, want)
	}
}

// What a report names can be played again, on its own and in another process.
func TestReplay(t *testing.T) {
	world := func(w *explore.World) {
		nk0 := w.Netkit("nk0", "nk1")
		for _, name := range []string{"one", "two"} {
			w.Agent(name, func(k mprog.Kernel) error {
				prog, err := explore.Load(k, name)
				if err != nil {
					return err
				}
				return k.ProgAttach(mprog.AttachRequest{AttachFD: prog, TargetIfindex: nk0, AttachType: mprog.NetkitPrimary})
			}, explore.Fault("", mprog.EAGAIN), explore.LostAnswer("", mprog.EAGAIN), explore.Fault(mprog.OpProgLoad, mprog.EAGAIN), explore.Crash(1), explore.Restart())
		}
		w.Delete("nk0")
		w.Finally("two after one", func(s explore.State) error {
			if p := s.Programs("nk0:primary"); len(p) == 2 && p[0] == "two" && s.Agent("one").Crashes == 1 {
				return errors.New("two is first")
			}
			return nil
		})
	}
	r, err := explore.Look(t, world, explore.States(5000))
	require.NoError(t, err)
	require.Len(t, r.Findings, 1)
	again, err := explore.Look(t, world, explore.Replay(r.Findings[0].Schedule))
	require.NoError(t, err)
	require.Len(t, again.Findings, 1)
	require.Equal(t, r.Findings[0].Trace.String(), again.Findings[0].Trace.String())
	for _, wrong := range []string{"three:1", "one:x", "one~EPERM", "*nothing", "one"} {
		_, err := explore.Look(t, world, explore.Replay(wrong))
		require.ErrorContains(t, err, "replay")
	}
	long, err := explore.Look(t, world, explore.Replay("one~EAGAIN,two?EAGAIN,one~EAGAIN.2,two!,*delete-nk0"))
	require.NoError(t, err)
	require.Empty(t, long.Findings)
}

// Devices that come again have names of their own in a trace; what it cannot say is a comment.
func TestUnsaid(t *testing.T) {
	attach := func(k mprog.Kernel) error {
		prog, err := explore.Load(k, "a")
		if err != nil {
			return err
		}
		return k.ProgAttach(mprog.AttachRequest{AttachFD: prog, TargetIfindex: 3, AttachType: mprog.NetkitPrimary})
	}
	there := func(w *explore.World) {
		w.OnceHeld("there", func(s explore.State) error {
			if s.Count("nk0:primary", "a") == 0 {
				return errors.New("it is gone")
			}
			return nil
		})
	}
	r, err := explore.Look(t, func(w *explore.World) {
		alone(attach)(w)
		w.Replace("nk0", "nk1")
		there(w)
	})
	require.NoError(t, err)
	require.Len(t, r.Findings, 1)
	require.Empty(t, r.Findings[0].Unsaid)
	require.Contains(t, r.Findings[0].Trace.String(), "netkit nk0_2 nk1_2", "the one that comes again has a name of its own")
	require.Equal(t, "ours:2,*replace-nk0", r.Findings[0].Schedule)

	r, err = explore.Look(t, func(w *explore.World) {
		alone(func(k mprog.Kernel) error {
			for attach(k) != nil {
			}
			return k.ProgDetach(mprog.DetachRequest{TargetIfindex: 3, AttachType: mprog.NetkitPrimary})
		}, explore.Fault(mprog.OpProgAttach, mprog.ENOMEM), explore.LostAnswer(mprog.OpProgDetach, mprog.EINTR))(w)
		w.Finally("no fault", func(s explore.State) error {
			if s.Agent("ours").Calls > 3 && s.Agent("ours").Err != nil {
				return s.Agent("ours").Err
			}
			return nil
		})
	})
	require.NoError(t, err)
	require.Len(t, r.Findings, 1)
	f := r.Findings[0]
	require.Empty(t, f.Unsaid)
	require.Contains(t, f.Trace.String(), "# not made, but refused with ENOMEM: ours: prog attach")
	require.Contains(t, f.Trace.String(), "# made, but ours is answered EINTR")
	_, err = trace.Parse("finding", f.Trace.String())
	require.NoError(t, err)
}

// A random exploration finds what a complete one does, the same with the same seed.
func TestRandom(t *testing.T) {
	world := func(w *explore.World) {
		nk0 := w.Netkit("nk0", "nk1")
		for _, name := range []string{"one", "two", "three"} {
			w.Agent(name, func(k mprog.Kernel) error {
				prog, err := explore.Load(k, name)
				if err != nil {
					return err
				}
				return k.ProgAttach(mprog.AttachRequest{AttachFD: prog, TargetIfindex: nk0, AttachType: mprog.NetkitPrimary})
			})
		}
		w.Finally("not backwards", func(s explore.State) error {
			if p := s.Programs("nk0:primary"); p[0] == "three" && p[2] == "one" {
				return errors.New("three two one")
			}
			return nil
		})
	}
	one, err := explore.Look(t, world, explore.Random(10_000, 3, 7))
	require.NoError(t, err)
	require.Len(t, one.Findings, 1)
	two, err := explore.Look(t, world, explore.Random(10_000, 3, 7))
	require.NoError(t, err)
	require.Equal(t, one.Runs, two.Runs)
	require.Equal(t, one.Findings[0].Schedule, two.Findings[0].Schedule)
	require.False(t, one.Complete)
}

// Limits make an exploration incomplete, and say so.
func TestLimits(t *testing.T) {
	world := func(w *explore.World) {
		for _, name := range []string{"one", "two"} {
			w.Agent(name, func(k mprog.Kernel) error { return loads(k, "a", "b", "c") }, explore.Crash(1))
		}
	}
	for option, want := range map[string]explore.Option{
		"the limit of runs": explore.Runs(2), "the limit of states": explore.States(3),
		"the limit of time": explore.Time(1), "the limit of preemptions": explore.Preemptions(0),
	} {
		r, err := explore.Look(t, world, want)
		require.NoError(t, err)
		require.False(t, r.Complete)
		require.Equal(t, option, r.Cut)
	}
	whole := explore.Test(t, world)
	require.True(t, whole.Complete)
}

// Whatever kernel is asked for is simulated.
func TestKernel(t *testing.T) {
	r, err := explore.Look(t, alone(func(k mprog.Kernel) error { return loads(k, "a") }), explore.Kernel(fake.Linux("6.12")))
	require.NoError(t, err)
	require.True(t, r.Complete)
}

// Outside of tests there is no bubble, and the same is explored.
func TestRun(t *testing.T) {
	r, err := explore.Run(alone(func(k mprog.Kernel) error { return loads(k, "a", "b") }, explore.Crash(1), explore.Restart()))
	require.NoError(t, err)
	require.True(t, r.Complete)
	inside := explore.Test(t, alone(func(k mprog.Kernel) error { return loads(k, "a", "b") }, explore.Crash(1), explore.Restart()))
	require.Equal(t, inside.States, r.States)
}

// An invariant that is to hold once it has, and never did, is told: a name in it may be
// misspelt.
func TestUnheld(t *testing.T) {
	for _, holds := range []bool{true, false} {
		r, err := explore.Look(t, func(w *explore.World) {
			nk0 := w.Netkit("nk0", "nk1")
			w.Agent("one", func(k mprog.Kernel) error {
				_, err := k.ProgQuery(mprog.QueryRequest{TargetIfindex: nk0, AttachType: mprog.NetkitPrimary})
				return err
			})
			w.OnceHeld("there", func(explore.State) error {
				if holds {
					return nil
				}
				return errors.New("not there")
			})
		})
		require.NoError(t, err)
		require.Empty(t, r.Findings)
		require.Equal(t, !holds, strings.Contains(r.String(), "held in no run, and so tells nothing: there\n"))
	}
}
