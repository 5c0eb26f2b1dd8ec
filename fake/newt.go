package fake

import (
	"fmt"
	"maps"
	"slices"

	"github.com/nkconform/nkconform/mprog"
)

// TB is what [NewT] wants of a *testing.T or *testing.B.
type TB interface {
	Helper()
	Name() string
	Cleanup(func())
	Errorf(format string, args ...any)
	Logf(format string, args ...any)
	Failed() bool
}

// Leak is a kind of reference that a test should not leave behind.
type Leak uint8

// The kinds of leaks.
const (
	LeakedFDs   Leak = 1 << iota // fds of programs and links
	LeakedLinks                  // links that nothing but an fd holds
	LeakedPins                   // pins
)

// Allow lets a test of [NewT] end with references of some kinds left.
func Allow(kinds ...Leak) Option {
	return func(k *Kernel) {
		for _, l := range kinds {
			k.allowed |= l
		}
	}
}

// NewT is [New] for a test, with [Record]. When the test ends, the machine is
// shut down. The test fails when it leaves fds, links or pins behind, unless
// [Allow] says that it may; a test that fails has its calls printed.
func NewT(t TB, opts ...Option) *Kernel {
	t.Helper()
	k := New(append([]Option{Record(), testName(t.Name())}, opts...)...)
	k.watchOver(t)
	return k
}

// watchOver has the test fail when it leaves something behind, and print its
// calls when it fails.
func (k *Kernel) watchOver(t TB) {
	t.Helper()
	k.tb = t
	t.Cleanup(func() {
		t.Helper()
		if !t.Failed() {
			for _, left := range k.Leaks() {
				if k.allowed&left.Kind == 0 {
					t.Errorf("left behind: %s", left.What)
				}
			}
		}
		if t.Failed() {
			t.Logf("calls on Linux %s:\n%s", k.Release(), k.Trace())
		}
		if err := k.Shutdown(); err != nil {
			t.Errorf("%v", err)
		}
	})
}

// Netkit creates a pair of netkit devices, as [Kernel.AddDevice] does. When that
// is refused, the test of [NewT] ends; without a test it panics.
func (k *Kernel) Netkit(name, peer string) (ifindex, peerIfindex uint32) {
	ifindex, peerIfindex, err := k.AddDevice(mprog.DeviceSpec{Kind: mprog.Netkit, Name: name, Peer: peer})
	if err == nil {
		return ifindex, peerIfindex
	}
	if t, ok := k.kernel.tb.(interface {
		Helper()
		Fatal(args ...any)
	}); ok {
		t.Helper()
		t.Fatal(err)
	}
	panic(err)
}

// testName says which test the calls are of.
func testName(name string) Option {
	return func(k *Kernel) { k.test = name }
}

// Leaks lists the references that processes have left: fds of programs and links,
// and pins.
func (k *Kernel) Leaks() (list []Left) {
	if r := k.remote(); r != nil {
		return r.Leaks()
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	for i, p := range append([]*Process{k.Process}, k.children...) {
		who := ""
		if i > 0 {
			who = fmt.Sprintf("process %d: ", i)
		}
		list = append(list, p.leaks(who)...)
	}
	for _, path := range slices.Sorted(maps.Keys(k.fs.pins)) {
		list = append(list, Left{LeakedPins, fmt.Sprintf("pin %s of %s", path, describe(k.fs.pins[path]))})
	}
	return list
}

// leaks lists what the process has open.
func (p *Process) leaks(who string) (list []Left) {
	for _, fd := range slices.Sorted(maps.Keys(p.files)) {
		if kind, what := leak(p.files[fd]); kind != 0 {
			list = append(list, Left{kind, fmt.Sprintf("%sfd %d of %s", who, fd, what)})
		}
	}
	return list
}

// leak says what an fd keeps; 0 is nothing.
func leak(f file) (Leak, string) {
	switch f := f.(type) {
	case *program:
		return LeakedFDs, fmt.Sprintf("program %s (id %d)", f.label(), f.id)
	case *link:
		if f.other != 0 {
			return LeakedLinks, fmt.Sprintf("link id %d, which keeps %s attached", f.id, f.prog.label())
		}
		if f.defunct() {
			return LeakedLinks, fmt.Sprintf("link %s (id %d), defunct", f.label(), f.id)
		}
		return LeakedLinks, fmt.Sprintf("link %s (id %d), which keeps %s attached", f.label(), f.id, f.prog.label())
	}
	return 0, ""
}

// Leaks lists what a process outside of the kernel's own has open.
func (p *Process) Leaks() []Left {
	p.kernel.mu.Lock()
	defer p.kernel.mu.Unlock()
	return p.leaks("")
}

// Describe says what an fd of the process is, as a leak; its kind is 0 for
// nothing of BPF.
func (p *Process) Describe(fd uint32) (Leak, string) {
	p.kernel.mu.Lock()
	defer p.kernel.mu.Unlock()
	return leak(p.files[fd])
}
