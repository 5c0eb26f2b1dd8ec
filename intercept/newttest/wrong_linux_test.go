package newttest

import (
	"fmt"
	"os"
	"slices"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/nkconform/nkconform/fake"
	"github.com/nkconform/nkconform/intercept"
	"github.com/nkconform/nkconform/mprog"
)

// fakeT is a test that notes what it is told.
type fakeT struct {
	testing.TB
	name     string
	said     []string
	cleanups []func()
}

// fatal is what a test of fakeT ends with.
type fatal struct{}

func (t *fakeT) Helper()             {}
func (t *fakeT) Name() string        { return t.name }
func (t *fakeT) Cleanup(f func())    { t.cleanups = append(t.cleanups, f) }
func (t *fakeT) Failed() bool        { return len(t.said) > 0 }
func (t *fakeT) Logf(string, ...any) {}
func (t *fakeT) Errorf(format string, args ...any) {
	t.said = append(t.said, fmt.Sprintf(format, args...))
}

func (t *fakeT) Fatalf(format string, args ...any) {
	t.Errorf(format, args...)
	panic(fatal{})
}

func (t *fakeT) run(test func(t *fakeT)) {
	defer func() {
		for _, f := range slices.Backward(t.cleanups) {
			f()
		}
	}()
	defer func() {
		if r := recover(); r != nil && r != any(fatal{}) {
			panic(r)
		}
	}()
	test(t)
}

// What is used wrongly is told in one sentence, and never passes.
func TestWrongUse(t *testing.T) {
	for _, c := range []struct {
		name string
		test func(t *fakeT)
		want string
	}{
		{"two kernels in one test", func(t *fakeT) {
			intercept.NewT(t)
			intercept.NewT(t)
		}, "one test has one kernel"},
		{"a kernel in a part of a test that has one", func(t *fakeT) {
			intercept.NewT(t)
			t.name += "/part"
			intercept.NewT(t)
		}, "this test is a part of that one"},
		{"an injection calls the agent", func(t *fakeT) {
			k := intercept.NewT(t)
			k.Netkit("nk0", "nk1")
			k.Before(fake.Match{Op: mprog.OpLinkCreate}, func(*fake.Call) error {
				_, err := ebpf.NewProgram(&ebpf.ProgramSpec{
					Type: ebpf.SchedCLS, License: "GPL", Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, 0), asm.Return()},
				})
				return err
			})
			_ = upsert("nk0", pin, newProgram(t.TB, "mine"))
		}, "must not call the code under test"},
		{"an operation that nobody sees", func(t *fakeT) {
			k := intercept.NewT(t)
			k.Before(fake.Match{Op: mprog.OpClose}, fake.Fail(mprog.EIO))
		}, "they see calls of bpf(2) alone"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := &fakeT{TB: t, name: t.Name()}
			f.run(c.test)
			require.NotEmpty(t, f.said)
			require.Contains(t, f.said[0], c.want)
			t.Log(f.said[0])
		})
	}
}

// What is left of a test's kernel is of no use in the next one, which says so.
func TestEndedKernel(t *testing.T) {
	var old *fake.Kernel
	var prog *ebpf.Program
	t.Run("first", func(t *testing.T) {
		old = intercept.NewT(t, fake.Allow(fake.LeakedFDs))
		var err error
		prog, err = ebpf.NewProgram(&ebpf.ProgramSpec{
			Type: ebpf.SchedCLS, License: "GPL", Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, 0), asm.Return()},
		})
		require.NoError(t, err)
	})
	if old == nil {
		t.Skip("needs a kernel before, see what the first test says")
	}
	defer prog.Close()
	_, err := old.LoadProg(mprog.ProgSpec{})
	require.ErrorIs(t, err, os.ErrClosed)
	require.ErrorContains(t, err, "the test of this kernel has ended")
	next := &fakeT{TB: t, name: t.Name()}
	next.run(func(t *fakeT) {
		k := intercept.NewT(t)
		nk0, _ := k.Netkit("nk0", "nk1")
		_, err := link.AttachNetkit(link.NetkitOptions{Interface: int(nk0), Program: prog, Attach: ebpf.AttachNetkitPrimary})
		require.ErrorIs(t.TB, err, unix.EBADF)
	})
	require.Len(t, next.said, 1)
	require.Contains(t, next.said[0], "is of another kernel than the one that answers now")
}
