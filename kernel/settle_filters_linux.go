package kernel

import (
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nkconform/nkconform/mprog"
)

// filters is what an environment knows of its filters.
type filters struct {
	used    atomic.Bool // there has been a qdisc
	changed atomic.Bool // programs may be let go of soon
	spread  atomic.Bool // programs may be let go of on any CPU
	worn    atomic.Bool // a qdisc has been asked for on lo, which keeps a place for one
}

// ended is called when a network namespace has ended, with which filters may have
// been removed: the kernel does that on whatever CPU.
func (f *filters) ended() {
	if f.used.Load() {
		f.changed.Store(true)
		f.spread.Store(true)
	}
}

// letGo is called on the thread that is about to make a call which may remove
// filters, and what it returns behind the call.
func (f *filters) letGo() (done func()) {
	if !f.used.Load() {
		return func() {}
	}
	restore := pinCPU()
	return func() {
		restore()
		f.changed.Store(true)
	}
}

// settleFilters returns when the filters that were removed before have let go of
// their programs.
//
// The kernel does that in a work that it queues in a callback of RCU. Callbacks of
// one CPU run in order, and so do those works, so settleFilters removes a filter of
// its own on the same CPU, in a network namespace of its own, and waits until its
// program is gone.
func (p *Process) settleFilters() error {
	f := &p.first.filters
	if !f.changed.Load() {
		return nil
	}
	most := 1
	if f.spread.Load() {
		most = runtime.NumCPU()
	}
	var all unix.CPUSet
	if err := unix.SchedGetaffinity(0, &all); err != nil {
		return fmt.Errorf("wait for removed filters: %w", err)
	}
	for _, cpu := range listCPUs(&all, most) {
		if err := releaseFilter(cpu); err != nil {
			return fmt.Errorf("wait for removed filters: %w", err)
		}
	}
	f.changed.Store(false)
	f.spread.Store(false)
	return nil
}

// releaseFilter removes a filter on a CPU and returns when its program is gone.
func releaseFilter(cpu int) error {
	k := &Kernel{}
	p, err := startProcess(setUp, k.moveIn)
	if err != nil {
		return err
	}
	k.Process = p
	defer func() { _ = k.Shutdown() }()
	if err := k.onThread(func() error { _ = keepOnCPU(cpu); return nil }); err != nil {
		return err
	}
	fd, err := k.LoadProg(mprog.ProgSpec{Name: "settle", Mute: true})
	if err != nil {
		return err
	}
	info, err := k.ObjectInfo(fd)
	hook := mprog.Hook{Ifindex: loopback, Type: mprog.TCXIngress}
	err = errors.Join(err,
		k.QdiscAdd(mprog.QdiscRequest{Ifindex: loopback, Kind: mprog.Clsact, Flags: mprog.NLCreate}),
		k.FilterAdd(mprog.FilterRequest{
			Hook: hook, Kind: mprog.BPFKind, Protocol: mprog.AnyProtocol, Priority: 1, Flags: mprog.NLCreate, FD: fd, BPFFlags: mprog.DirectAction,
		}),
		k.Close(fd),
		k.FilterDelete(mprog.FilterRequest{Hook: hook}))
	k.filters.changed.Store(false)
	for start := time.Now(); err == nil && time.Since(start) < settlePatience; pause() {
		if fd, err = k.ProgFDByID(mprog.IDRequest{ID: info.ID}); err == nil {
			err = k.Close(fd)
		}
	}
	switch {
	case errors.Is(err, mprog.ENOENT):
		return nil
	case err == nil:
		return fmt.Errorf("a filter's program is still there after %s", settlePatience)
	}
	return err
}

// clearQdisc removes the qdisc of lo, if it has one.
func (k *Kernel) clearQdisc() error {
	if !k.filters.used.Load() {
		return nil
	}
	err := k.QdiscDelete(mprog.QdiscRequest{Ifindex: loopback})
	if errno, refused := mprog.ErrnoOf(err); refused && (errno == mprog.ENOENT || errno == mprog.EINVAL) {
		return nil
	}
	return err
}
