package kernel

import (
	"runtime"
	"sync/atomic"
	"time"
)

// signal wakes one waiter once for each raise. Raises and waits alternate.
//
// A waiter looks again and again for a while before it sleeps: waking a thread
// that sleeps takes between 5 and 60 microseconds, many times as long as most
// system calls here, and one that looks goes on within 100 nanoseconds.
type signal struct {
	raised   atomic.Bool
	sleeping atomic.Bool // whoever sets it to false owes or is owed one wake
	wake     chan struct{}
}

// raise lets the waiter go on, now or when it comes.
func (s *signal) raise() {
	s.raised.Store(true)
	// If the waiter has seen that already, this wakes it out of a later wait,
	// and it will find that nothing was raised.
	if s.sleeping.CompareAndSwap(true, false) {
		s.wake <- struct{}{}
	}
}

// wait waits for a raise. It looks for as long as look says before it sleeps, and
// pauses in between.
func (s *signal) wait(look time.Duration, pause func()) {
	if look > 0 {
		for start := time.Now(); time.Since(start) < look; pause() {
			if s.raised.CompareAndSwap(true, false) {
				return
			}
		}
	}
	for !s.raised.CompareAndSwap(true, false) {
		s.sleeping.Store(true)
		if s.raised.Load() && s.sleeping.CompareAndSwap(true, false) {
			continue
		}
		<-s.wake
	}
}

// How long to look, found by measuring. Nobody else can use the thread
// meanwhile; the caller's side lets other goroutines run.
const (
	threadLook = 20 * time.Microsecond
	callerLook = 100 * time.Microsecond
)

// looking returns how long to look on this machine: with one CPU, looking only
// keeps the other side from running.
func looking(d time.Duration) time.Duration {
	if runtime.GOMAXPROCS(0) == 1 || runtime.NumCPU() == 1 {
		return 0
	}
	return d
}
