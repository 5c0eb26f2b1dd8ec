package newttest

import (
	"slices"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/stretchr/testify/require"

	"github.com/nkconform/nkconform/fake"
	"github.com/nkconform/nkconform/intercept"
)

// BenchmarkNewT makes a kernel, and makes one and ends it.
func BenchmarkNewT(b *testing.B) {
	for _, ends := range []bool{false, true} {
		b.Run(map[bool]string{false: "make", true: "make and end"}[ends], func(b *testing.B) {
			for b.Loop() {
				t := &fakeT{TB: b, name: b.Name()}
				intercept.NewT(t)
				if !ends {
					b.StopTimer()
				}
				t.run(func(*fakeT) {})
				b.StartTimer()
			}
		})
	}
}

// BenchmarkCall has the same calls answered by the kernel that a test holds, and by
// the one that answers without: what nkconform exec costs. They take turns, so that
// what else the machine does falls on both, and medians are told: in nanoseconds, and
// one divided by the other.
func BenchmarkCall(b *testing.B) {
	const perTurn = 100
	for _, c := range []struct {
		name string
		call func(*ebpf.Program) error
	}{
		{"query", func(*ebpf.Program) error {
			_, err := link.QueryPrograms(link.QueryOptions{Target: 1, Attach: ebpf.AttachTCXIngress})
			return err
		}},
		{"attach and detach", func(p *ebpf.Program) error {
			err := link.RawAttachProgram(link.RawAttachProgramOptions{Target: 1, Program: p, Attach: ebpf.AttachTCXIngress})
			if err != nil {
				return err
			}
			return link.RawDetachProgram(link.RawDetachProgramOptions{Target: 1, Program: p, Attach: ebpf.AttachTCXIngress})
		}},
	} {
		b.Run(c.name, func(b *testing.B) {
			p := newProgram(b, "mine")
			turn := func(t testing.TB, p *ebpf.Program) float64 {
				began := time.Now()
				for range perTurn {
					require.NoError(t, c.call(p))
				}
				return float64(time.Since(began).Nanoseconds()) / perTurn
			}
			var exec, newT []float64
			for b.Loop() {
				exec = append(exec, turn(b, p))
				t := &fakeT{TB: b, name: b.Name()}
				t.run(func(t *fakeT) {
					intercept.NewT(t, fake.Allow(fake.LeakedFDs))
					newT = append(newT, turn(t, newProgram(t, "mine")))
				})
			}
			slices.Sort(exec)
			slices.Sort(newT)
			b.ReportMetric(exec[len(exec)/2], "exec-ns/call")
			b.ReportMetric(newT[len(newT)/2], "NewT-ns/call")
			b.ReportMetric(newT[len(newT)/2]/exec[len(exec)/2], "NewT/exec")
			b.ReportMetric(0, "ns/op")
		})
	}
}
