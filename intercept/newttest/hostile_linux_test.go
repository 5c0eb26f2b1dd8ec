package newttest

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/nkconform/nkconform/fake"
	"github.com/nkconform/nkconform/intercept"
	"github.com/nkconform/nkconform/mprog"
)

// Calls on a device that nobody has are left alone, as probes, but not by When.
func TestWhenSeesProbes(t *testing.T) {
	k := intercept.NewT(t)
	const nobodys = 1 << 30
	k.Before(fake.Match{
		Op: mprog.OpLinkCreate, When: func(c *fake.Call) bool { return c.Hook.Ifindex == nobodys }, Nth: 2,
	}, fake.Fail(mprog.EPERM))
	mine := newProgram(t, "mine")
	for _, want := range []error{unix.ENODEV, unix.EPERM, unix.ENODEV} {
		_, err := link.AttachTCX(link.TCXOptions{Interface: nobodys, Program: mine, Attach: ebpf.AttachTCXIngress})
		require.ErrorIs(t, err, want)
	}
}

// What is done at a call ends its goroutine, as FailNow does: the call fails.
func TestInjectionEndsGoroutine(t *testing.T) {
	for range 3 {
		f := &fakeT{TB: t, name: t.Name()}
		f.run(func(f *fakeT) {
			k := intercept.NewT(f)
			k.Netkit("nk0", "nk1")
			k.Before(fake.Match{Op: mprog.OpLinkCreate}, func(*fake.Call) error { runtime.Goexit(); return nil })
			p := newProgram(t, "mine")
			require.ErrorIs(t, upsert("nk0", pin, p), unix.EIO)
			require.NoError(t, p.Close())
		})
		require.Empty(t, f.said)
	}
}

// What is done at a call does not return before the test ends: the next one has its
// kernel all the same, and what goes on with the old one is told.
func TestNeverReturns(t *testing.T) {
	gate := fake.NewGate()
	done := make(chan error, 1)
	f := &fakeT{TB: t, name: t.Name()}
	f.run(func(f *fakeT) {
		k := intercept.NewT(f)
		k.Netkit("nk0", "nk1")
		mine := newProgram(t, "mine")
		k.Before(fake.Match{Op: mprog.OpLinkCreate, Nth: 1}, gate.Hold)
		go func() { done <- upsert("nk0", pin, mine) }()
		<-gate.Held()
	})
	require.Contains(t, f.said[0], "left behind")
	g := &fakeT{TB: t, name: t.Name()}
	g.run(func(f *fakeT) {
		k := intercept.NewT(f, fake.Allow(fake.LeakedPins))
		nk0, _ := k.Netkit("nk0", "nk1")
		require.NoError(t, upsert("nk0", pin, newProgram(t, "mine")))
		gate.Open()
		require.Error(t, <-done)
		require.Equal(t, "revision 2 [mine@l1]", k.Hook(nk0, mprog.NetkitPrimary).String())
	})
	require.Len(t, g.said, 1)
	require.Contains(t, g.said[0], "is of another kernel than the one that answers now")
}

// The end of a test does not wait for what a child has started, and leaves a child's
// status to who waits for it.
func TestGrandchild(t *testing.T) {
	began := time.Now()
	var out bytes.Buffer
	f := &fakeT{TB: t, name: t.Name()}
	f.run(func(f *fakeT) {
		k := intercept.NewT(f)
		c := exec.Command("sh", "-c", "sleep 20 & echo hi; wait")
		c.Stdout = &out
		intercept.Start(f, k, c)
		d := exec.Command("sleep", "20")
		intercept.Start(f, k, d)
		go func() { _ = d.Wait() }()
	})
	require.Less(t, time.Since(began), 15*time.Second)
	require.Empty(t, f.said)
}

// A pin in a bpf file system that the test has mounted is told by its path, and gone.
func TestOtherBPFFS(t *testing.T) {
	dir := t.TempDir()
	other := filepath.Join(dir, "pin")
	f := &fakeT{TB: t, name: t.Name()}
	f.run(func(f *fakeT) {
		k := intercept.NewT(f)
		k.Netkit("nk0", "nk1")
		require.NoError(t, unix.Mount("bpf", dir, "bpf", 0, ""))
		p := newProgram(t, "mine")
		require.NoError(t, upsert("nk0", other, p))
		require.NoError(t, p.Close())
	})
	t.Cleanup(func() { require.NoError(t, unix.Unmount(dir, 0)) })
	require.Len(t, f.said, 1)
	require.Contains(t, f.said[0], other)
	_, err := os.Stat(other)
	require.ErrorIs(t, err, os.ErrNotExist)
}

// A test may shut its kernel down by itself.
func TestShutdownTwice(t *testing.T) {
	f := &fakeT{TB: t, name: t.Name()}
	f.run(func(f *fakeT) {
		k := intercept.NewT(f)
		k.Netkit("nk0", "nk1")
		require.NoError(t, k.Shutdown())
	})
	require.Empty(t, f.said)
}

// What a release lacks is refused as the fake refuses it.
func TestOldRelease(t *testing.T) {
	for _, k := range []*fake.Kernel{intercept.NewT(t, fake.Linux("6.6")), fake.New(fake.Linux("6.6"))} {
		_, _, err := k.AddDevice(mprog.DeviceSpec{Kind: mprog.Netkit, Name: "nk0", Peer: "nk1"})
		require.ErrorIs(t, err, mprog.ErrUnsupported)
	}
}

// Agents at the same time, with injections that look at the kernel and act.
func TestManyAtOnce(t *testing.T) {
	k := intercept.NewT(t, fake.Allow(fake.LeakedPins, fake.LeakedFDs))
	nk0, _ := k.Netkit("nk0", "nk1")
	var calls atomic.Int32
	for range 3 {
		k.Before(fake.Match{Op: mprog.OpLinkCreate}, func(c *fake.Call) error {
			calls.Add(1)
			_ = k.Hook(nk0, mprog.NetkitPrimary)
			return fake.Rival(func(k *fake.Kernel) {
				fd, _ := k.LoadProg(mprog.ProgSpec{Name: "r"})
				_ = k.Close(fd)
			})(c)
		})
		k.After(fake.Match{Op: mprog.OpLinkCreate}, func(c *fake.Call) error { calls.Add(1); return nil })
	}
	stop := k.Observe(func(*fake.Event) {})
	defer stop()
	var wg sync.WaitGroup
	for i := range 8 {
		p := newProgram(t, fmt.Sprint("p", i))
		wg.Go(func() {
			if err := upsert("nk0", fmt.Sprint(pin, i), p); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	require.EqualValues(t, 48, calls.Load())
	require.EqualValues(t, 9, k.Hook(nk0, mprog.NetkitPrimary).Revision)
}

// The device of the call in hand goes, before and after it.
func TestDeviceInHand(t *testing.T) {
	for _, after := range []bool{false, true} {
		t.Run(fmt.Sprint(after), func(t *testing.T) {
			k := intercept.NewT(t, fake.Allow(fake.LeakedPins))
			nk0, _ := k.Netkit("nk0", "nk1")
			at := k.Before
			if after {
				at = k.After
			}
			at(fake.Match{Op: mprog.OpLinkCreate, Nth: 1}, func(*fake.Call) error { return k.DeleteDevice(nk0) })
			err := upsert("nk0", pin, newProgram(t, "mine"))
			if after {
				require.NoError(t, err)
			} else {
				require.ErrorIs(t, err, unix.ENODEV)
			}
		})
	}
}
