package explore_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/nkconform/nkconform/explore"
	"github.com/nkconform/nkconform/fake"
	"github.com/nkconform/nkconform/mprog"
)

// six makes six calls, eight two more.
func six(nk0 uint32, name string) func(mprog.Kernel) error {
	return func(k mprog.Kernel) error {
		prog, err := explore.Load(k, name)
		if err != nil {
			return err
		}
		if _, err := look(k, nk0); err != nil {
			return err
		}
		l, err := k.LinkCreate(mprog.LinkCreateRequest{ProgFD: prog, TargetIfindex: nk0, AttachType: mprog.NetkitPrimary})
		if err != nil {
			return err
		}
		if err := k.ObjPin(mprog.PinRequest{FD: l, Path: mprog.BPFFS + "/" + name}); err != nil {
			return err
		}
		if err := k.Close(prog); err != nil {
			return err
		}
		return k.Close(l)
	}
}

func eight(nk0 uint32, name string) func(mprog.Kernel) error {
	return func(k mprog.Kernel) error {
		if fd, err := k.ObjGet(mprog.GetRequest{Path: mprog.BPFFS + "/" + name}); err == nil {
			return k.Close(fd)
		}
		if err := six(nk0, name)(k); err != nil {
			return err
		}
		_, err := look(k, nk0)
		return err
	}
}

func look(k mprog.Kernel, nk0 uint32) (mprog.QueryResult, error) {
	var progs, links [8]uint32
	return k.ProgQuery(mprog.QueryRequest{
		TargetIfindex: nk0, AttachType: mprog.NetkitPrimary, Count: 8, ProgIDs: progs[:], LinkIDs: links[:],
	})
}

func pair(agent func(uint32, string) func(mprog.Kernel) error) func(*explore.World) {
	return func(w *explore.World) {
		nk0 := w.Netkit("nk0", "nk1")
		w.Agent("one", agent(nk0, "one"))
		w.Agent("two", agent(nk0, "two"))
		w.Finally("both", func(s explore.State) error {
			if n := len(s.Hook("nk0", mprog.NetkitPrimary)); n != 2 {
				return fmt.Errorf("%d are attached", n)
			}
			return nil
		})
	}
}

// BenchmarkExplore explores all 924 orders of two agents of six calls, without leaving
// any out; a run is one order.
func BenchmarkExplore(b *testing.B) {
	b.ReportAllocs()
	began := cpuTime()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			r, err := explore.Run(pair(six), explore.NoReduction())
			if err != nil || !r.Complete || r.Runs != 924 || len(r.Findings) > 0 {
				b.Error(err, r)
				return
			}
		}
	})
	report(b, 924*b.N, cpuTime()-began)
}

// BenchmarkPlain does what a test does that makes a kernel and two goroutines, and lets
// them go on in one order by channels; a run is one order.
func BenchmarkPlain(b *testing.B) {
	b.ReportAllocs()
	began := cpuTime()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			plainRun()
		}
	})
	report(b, b.N, cpuTime()-began)
}

// report tells how many runs there were in a second, and what one took of a processor.
func report(b *testing.B, runs int, cpu time.Duration) {
	b.ReportMetric(float64(runs)/b.Elapsed().Seconds(), "runs/s")
	b.ReportMetric(float64(cpu.Nanoseconds())/float64(runs), "cpu-ns/run")
}

func plainRun() {
	k := fake.New()
	nk0, _ := k.Netkit("nk0", "nk1")
	var gates [2]gate
	for i, name := range []string{"one", "two"} {
		p, err := k.NewProcess(mprog.ProcessSpec{})
		if err != nil {
			panic(err)
		}
		gates[i] = gate{p.(*fake.Process), make(chan bool), make(chan bool)}
		go func() {
			defer close(gates[i].done)
			if err := six(nk0, name)(&gated{gates[i]}); err != nil {
				panic(err)
			}
		}()
	}
	for turn := 0; ; turn++ {
		over := 0
		for i := range gates {
			select {
			case gates[(turn+i)%2].open <- true:
				<-gates[(turn+i)%2].done
			case <-gates[(turn+i)%2].done:
				over++
			}
		}
		if over == 2 {
			return
		}
	}
}

type gate struct {
	*fake.Process
	open, done chan bool
}

// gated makes each call when its gate is opened.
type gated struct{ gate }

func (g *gated) wait() func() {
	<-g.open
	return func() { g.done <- true }
}

func (g *gated) LoadProg(s mprog.ProgSpec) (uint32, error) {
	defer g.wait()()
	return g.Process.LoadProg(s)
}
func (g *gated) ProgQuery(r mprog.QueryRequest) (mprog.QueryResult, error) {
	defer g.wait()()
	return g.Process.ProgQuery(r)
}
func (g *gated) LinkCreate(r mprog.LinkCreateRequest) (uint32, error) {
	defer g.wait()()
	return g.Process.LinkCreate(r)
}
func (g *gated) ObjPin(r mprog.PinRequest) error {
	defer g.wait()()
	return g.Process.ObjPin(r)
}
func (g *gated) Close(fd uint32) error {
	defer g.wait()()
	return g.Process.Close(fd)
}

// Leaving out what shows nothing new takes at least twenty times fewer runs for two
// agents of eight calls.
func TestFewerRuns(t *testing.T) {
	reduced := explore.Test(t, pair(eight))
	plain, err := explore.Look(t, pair(eight), explore.NoReduction())
	if err != nil || !plain.Complete || plain.Runs != 12_870 { // 16 over 8
		t.Fatal(err, plain)
	}
	if !reduced.Complete || reduced.Runs*20 > plain.Runs {
		t.Errorf("%d runs instead of %d", reduced.Runs, plain.Runs)
	}
	t.Logf("%d runs instead of %d", reduced.Runs, plain.Runs)
}
