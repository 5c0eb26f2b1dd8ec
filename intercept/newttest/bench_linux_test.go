package newttest

import (
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"

	"github.com/nkconform/nkconform/fake"
	"github.com/nkconform/nkconform/intercept"
)

// BenchmarkNewT makes a kernel and ends it.
func BenchmarkNewT(b *testing.B) {
	for b.Loop() {
		b.StopTimer()
		t := &fakeT{TB: b, name: b.Name()}
		b.StartTimer()
		intercept.NewT(t)
		b.StopTimer()
		t.run(func(*fakeT) {})
		b.StartTimer()
	}
}

// BenchmarkQuery is the same call answered by the kernel that a test holds, and by
// the one that answers without: what nkconform exec costs.
func BenchmarkQuery(b *testing.B) {
	query := func(b *testing.B) {
		for b.Loop() {
			if _, err := link.QueryPrograms(link.QueryOptions{Target: 1, Attach: ebpf.AttachTCXIngress}); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.Run("exec", query)
	b.Run("NewT", func(b *testing.B) {
		intercept.NewT(b, fake.Allow(fake.LeakedFDs))
		query(b)
	})
}
