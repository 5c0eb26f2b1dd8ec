package link_test

import (
	"sync/atomic"
	"testing"

	"github.com/nkconform/nkconform/fake"
	"github.com/nkconform/nkconform/kernel"
	"github.com/nkconform/nkconform/mprog"
)

// BenchmarkSideBySide makes the same calls on the fake and on the running kernel,
// on the tcx hook of lo.
func BenchmarkSideBySide(b *testing.B) {
	for _, bench := range []struct {
		name string
		run  func(*testing.B, mprog.Environment)
	}{
		{"attach+detach", benchAttach},
		{"create+close", benchLink},
		{"query63", benchQuery},
		{"refused", benchRefused},
		{"parallel", benchParallel},
	} {
		b.Run(bench.name+"/fake", func(b *testing.B) {
			b.ReportAllocs()
			bench.run(b, fake.New())
		})
		b.Run(bench.name+"/kernel", func(b *testing.B) {
			k := benchKernel(b)
			b.ReportAllocs()
			bench.run(b, k)
		})
	}
}

// benchKernel starts an environment on which detaches do not wait longer than
// they must: RCU is expedited, and tcx stays switched on.
func benchKernel(b *testing.B) *kernel.Kernel {
	k := newKernel(b)
	for _, hasten := range []func() (func() error, error){kernel.ExpediteRCU, kernel.Warm} {
		if restore, err := hasten(); err == nil {
			b.Cleanup(func() { must(b, restore()) })
		}
	}
	return k
}

func onLo(b *testing.B, k mprog.Environment) mprog.AttachRequest {
	fd, err := k.LoadProg(mprog.ProgSpec{Name: "a"})
	must(b, err)
	return mprog.AttachRequest{TargetIfindex: 1, AttachType: mprog.TCXIngress, AttachFD: fd}
}

func benchAttach(b *testing.B, k mprog.Environment) {
	at := onLo(b, k)
	for b.Loop() {
		attachDetach(b, k, at)
	}
}

func attachDetach(b *testing.B, k mprog.Kernel, at mprog.AttachRequest) {
	if err := k.ProgAttach(at); err != nil {
		b.Fatal(err)
	}
	if err := k.ProgDetach(mprog.DetachRequest(at)); err != nil {
		b.Fatal(err)
	}
}

func benchLink(b *testing.B, k mprog.Environment) {
	at := onLo(b, k)
	create := mprog.LinkCreateRequest{TargetIfindex: 1, AttachType: at.AttachType, ProgFD: at.AttachFD}
	for b.Loop() {
		fd, err := k.LinkCreate(create)
		if err != nil {
			b.Fatal(err)
		}
		if err := k.Close(fd); err != nil {
			b.Fatal(err)
		}
	}
}

func benchQuery(b *testing.B, k mprog.Environment) {
	for range mprog.MaxPrograms {
		must(b, k.ProgAttach(onLo(b, k)))
	}
	query := mprog.QueryRequest{
		TargetIfindex: 1, AttachType: mprog.TCXIngress, Count: mprog.MaxPrograms,
		ProgIDs: make([]uint32, mprog.MaxPrograms), LinkIDs: make([]uint32, mprog.MaxPrograms),
	}
	for b.Loop() {
		if _, err := k.ProgQuery(query); err != nil {
			b.Fatal(err)
		}
	}
}

// benchRefused shows what the fake's reason costs.
func benchRefused(b *testing.B, k mprog.Environment) {
	at := onLo(b, k)
	at.ExpectedRevision = 7
	for b.Loop() {
		if k.ProgAttach(at) == nil {
			b.Fatal("attached")
		}
	}
}

// benchParallel has processes attach and detach programs of their own on one
// hook. The time is that of one attach and detach as all of them together make
// them.
func benchParallel(b *testing.B, k mprog.Environment) {
	const processes = 8
	var at [processes]mprog.AttachRequest
	for i := range at {
		at[i] = onLo(b, k)
	}
	var in [processes]mprog.Process
	for i := range in { // which inherit all programs
		var err error
		in[i], err = k.NewProcess(mprog.ProcessSpec{})
		must(b, err)
	}
	var next atomic.Uint32
	b.RunParallel(func(pb *testing.PB) {
		i := (next.Add(1) - 1) % processes
		for pb.Next() {
			attachDetach(b, in[i], at[i])
		}
	})
}
