package newttest

import (
	"testing"

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
// the one that answers without: what nkconform exec costs.
func BenchmarkCall(b *testing.B) {
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
		run := func(b *testing.B) {
			p := newProgram(b, "mine")
			for b.Loop() {
				require.NoError(b, c.call(p))
			}
		}
		b.Run(c.name+"/exec", run)
		b.Run(c.name+"/NewT", func(b *testing.B) {
			intercept.NewT(b, fake.Allow(fake.LeakedFDs))
			run(b)
		})
	}
}
