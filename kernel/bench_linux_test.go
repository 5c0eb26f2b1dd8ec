package kernel

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/nkconform/nkconform/mprog"
)

// warm keeps tcx switched on.
func warm(tb testing.TB) {
	tb.Helper()
	restore, err := Warm()
	if err != nil {
		skipOrFail(tb, err, ErrUnavailable)
	}
	tb.Cleanup(func() { require.NoError(tb, restore()) })
}

func BenchmarkAttachDetach(b *testing.B) {
	expediteRCU(b)
	warm(b)
	k := newKernel(b, mprog.FeatureTCX)
	attach := mprog.AttachRequest{
		TargetIfindex: loopback, AttachType: mprog.TCXIngress, AttachFD: loadProg(b, k, "a"),
	}
	detach := mprog.DetachRequest(attach)
	b.ReportAllocs()
	for b.Loop() {
		if err := k.ProgAttach(attach); err != nil {
			b.Fatal(err)
		}
		if err := k.ProgDetach(detach); err != nil {
			b.Fatal(err)
		}
	}
}

// The same on the environment's own thread.
func BenchmarkRun(b *testing.B) {
	expediteRCU(b)
	warm(b)
	k := newKernel(b, mprog.FeatureTCX)
	attach := mprog.AttachRequest{
		TargetIfindex: loopback, AttachType: mprog.TCXIngress, AttachFD: loadProg(b, k, "a"),
	}
	b.ReportAllocs()
	var attachErr, detachErr error
	for b.Loop() {
		err := k.Run(func() {
			for range 100 {
				attachErr = k.ProgAttach(attach)
				detachErr = k.ProgDetach(mprog.DetachRequest(attach))
			}
		})
		require.NoError(b, err)
		require.NoError(b, attachErr)
		require.NoError(b, detachErr)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/100, "ns/pair")
}

func BenchmarkLinkCreateClose(b *testing.B) {
	expediteRCU(b)
	warm(b)
	k := newKernel(b, mprog.FeatureTCX)
	create := mprog.LinkCreateRequest{
		TargetIfindex: loopback, AttachType: mprog.TCXIngress, ProgFD: loadProg(b, k, "a"),
	}
	b.ReportAllocs()
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
	k := newKernel(b, mprog.FeatureTCX)
	for range mprog.MaxPrograms {
		err := k.ProgAttach(mprog.AttachRequest{
			TargetIfindex: loopback, AttachType: mprog.TCXIngress, AttachFD: loadProg(b, k, "a"),
		})
		require.NoError(b, err)
	}
	query := mprog.QueryRequest{
		TargetIfindex: loopback, AttachType: mprog.TCXIngress,
		Count: mprog.MaxPrograms, ProgIDs: make([]uint32, 64), LinkIDs: make([]uint32, 64),
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := k.ProgQuery(query); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkNewShutdown(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		newOnce(b)
	}
}

func newOnce(b *testing.B) {
	k, err := New()
	if err != nil {
		skipOrFail(b, err, ErrUnavailable)
	}
	require.NoError(b, k.Shutdown())
}
