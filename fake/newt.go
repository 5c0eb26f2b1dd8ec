package fake

import (
	"fmt"
	"maps"
	"slices"
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
	t.Cleanup(func() {
		t.Helper()
		if !t.Failed() {
			for _, leak := range k.leaks() {
				t.Errorf("left behind: %s", leak)
			}
		}
		if t.Failed() {
			t.Logf("calls on Linux %s:\n%s", k.Release(), k.Trace())
		}
		if err := k.Shutdown(); err != nil {
			t.Errorf("%v", err)
		}
	})
	return k
}

// testName says which test the calls are of.
func testName(name string) Option {
	return func(k *Kernel) { k.test = name }
}

// leaks lists what is left and not allowed.
func (k *Kernel) leaks() (list []string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for i, p := range append([]*Process{k.Process}, k.children...) {
		who := ""
		if i > 0 {
			who = fmt.Sprintf("process %d: ", i)
		}
		for _, fd := range slices.Sorted(maps.Keys(p.files)) {
			kind := LeakedFDs
			var what string
			switch f := p.files[fd].(type) {
			case *program:
				what = fmt.Sprintf("program %s (id %d)", f.label(), f.id)
			case *link:
				what = fmt.Sprintf("link %s (id %d), which keeps %s attached", f.label(), f.id, f.prog.label())
				kind = LeakedLinks
				if f.dev == nil {
					what = fmt.Sprintf("link %s (id %d), defunct", f.label(), f.id)
				}
			default:
				continue
			}
			if k.allowed&kind == 0 {
				list = append(list, fmt.Sprintf("%sfd %d of %s", who, fd, what))
			}
		}
	}
	if k.allowed&LeakedPins == 0 {
		for _, path := range slices.Sorted(maps.Keys(k.fs.pins)) {
			list = append(list, fmt.Sprintf("pin %s of %s", path, describe(k.fs.pins[path])))
		}
	}
	return list
}
