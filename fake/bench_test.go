package fake_test

import (
	"testing"

	"github.com/nkconform/nkconform/fake"
	"github.com/nkconform/nkconform/mprog"
)

// hooked returns a machine with a netkit pair and a program.
func hooked(b testing.TB) (k *fake.Kernel, at mprog.AttachRequest) {
	b.Helper()
	k = fake.New()
	at.AttachType = mprog.NetkitPrimary
	var err error
	if at.TargetIfindex, _, err = k.AddDevice(mprog.DeviceSpec{Kind: mprog.Netkit, Name: "nk0", Peer: "nk1"}); err != nil {
		b.Fatal(err)
	}
	if at.AttachFD, err = k.LoadProg(mprog.ProgSpec{}); err != nil {
		b.Fatal(err)
	}
	if b, ok := b.(*testing.B); ok {
		b.ReportAllocs()
	}
	return k, at
}

func attachDetach(b testing.TB, k *fake.Kernel, at mprog.AttachRequest) {
	if err := k.ProgAttach(at); err != nil {
		b.Fatal(err)
	}
	if err := k.ProgDetach(mprog.DetachRequest(at)); err != nil {
		b.Fatal(err)
	}
}

func BenchmarkAttachDetach(b *testing.B) {
	k, at := hooked(b)
	for b.Loop() {
		attachDetach(b, k, at)
	}
}

func BenchmarkAttachDetachTCX(b *testing.B) {
	k, at := hooked(b)
	at.AttachType = mprog.TCXIngress
	for b.Loop() {
		attachDetach(b, k, at)
	}
}

// BenchmarkAttachDetachLast works behind 62 other programs.
func BenchmarkAttachDetachLast(b *testing.B) {
	k, at := hooked(b)
	fill(b, k, at, mprog.MaxPrograms-1)
	for b.Loop() {
		attachDetach(b, k, at)
	}
}

func BenchmarkLinkCreateClose(b *testing.B) {
	k, at := hooked(b)
	create := mprog.LinkCreateRequest{TargetIfindex: at.TargetIfindex, AttachType: at.AttachType, ProgFD: at.AttachFD}
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

func BenchmarkQuery63(b *testing.B) {
	k, at := hooked(b)
	fill(b, k, at, mprog.MaxPrograms)
	q := wholeQuery(at)
	for b.Loop() {
		query(b, k, q)
	}
}

func wholeQuery(at mprog.AttachRequest) mprog.QueryRequest {
	return mprog.QueryRequest{
		TargetIfindex: at.TargetIfindex, AttachType: at.AttachType, Count: mprog.MaxPrograms,
		ProgIDs: make([]uint32, mprog.MaxPrograms), LinkIDs: make([]uint32, mprog.MaxPrograms),
	}
}

func query(b testing.TB, k *fake.Kernel, q mprog.QueryRequest) {
	if res, err := k.ProgQuery(q); err != nil || res.Count != mprog.MaxPrograms {
		b.Fatal(res, err)
	}
}

// What succeeds allocates nothing, but for the link that is made.
func TestAllocations(t *testing.T) {
	k, at := hooked(t)
	full := at
	full.AttachType = mprog.NetkitPeer
	fill(t, k, full, mprog.MaxPrograms)
	q := wholeQuery(full)
	q.ProgAttachFlags, q.LinkAttachFlags = make([]uint32, mprog.MaxPrograms), make([]uint32, mprog.MaxPrograms)
	n := testing.AllocsPerRun(100, func() {
		attachDetach(t, k, at)
		query(t, k, q)
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// BenchmarkRefused shows what a reason costs.
func BenchmarkRefused(b *testing.B) {
	k, at := hooked(b)
	at.ExpectedRevision = 7
	for b.Loop() {
		if k.ProgAttach(at) == nil {
			b.Fatal("attached")
		}
	}
}

// BenchmarkParallel lets goroutines work on hooks of their own.
func BenchmarkParallel(b *testing.B) {
	k, at := hooked(b)
	b.RunParallel(func(pb *testing.PB) {
		at := at
		var err error
		if at.AttachFD, err = k.LoadProg(mprog.ProgSpec{}); err != nil {
			b.Fatal(err)
		}
		for pb.Next() {
			attachDetach(b, k, at)
		}
	})
}

// fill attaches programs, every other one through a link.
func fill(b testing.TB, k *fake.Kernel, at mprog.AttachRequest, n int) {
	b.Helper()
	for i := range n {
		fd, err := k.LoadProg(mprog.ProgSpec{})
		if err == nil && i%2 == 0 {
			at.AttachFD = fd
			err = k.ProgAttach(at)
		} else if err == nil {
			_, err = k.LinkCreate(mprog.LinkCreateRequest{
				TargetIfindex: at.TargetIfindex, AttachType: at.AttachType, ProgFD: fd,
			})
		}
		if err != nil {
			b.Fatal(err)
		}
	}
}
