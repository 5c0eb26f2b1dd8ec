package kernel

import (
	"runtime"
	"sync/atomic"
)

// signal wakes one waiter once for each raise. Raises and waits alternate.
//
// A waiter looks again and again for a while before it sleeps: waking a thread
// that sleeps takes between 5 and 60 microseconds, many times as long as most
// system calls here, and one that looks goes on within 100 nanoseconds.
type signal struct {
	raised   atomic.Bool
	sleeping atomic.Bool
	wake     chan struct{}
}

// raise lets the waiter go on, now or when it comes.
func (s *signal) raise() {
	s.raised.Store(true)
	if s.sleeping.CompareAndSwap(true, false) {
		s.wake <- struct{}{}
	}
}

// wait waits for a raise. It looks that often, with a pause in between, before
// it sleeps.
func (s *signal) wait(looks int, pause func()) {
	for range looks {
		if s.raised.Load() {
			s.raised.Store(false)
			return
		}
		pause()
	}
	s.sleeping.Store(true)
	if s.raised.Load() && s.sleeping.CompareAndSwap(true, false) {
		s.raised.Store(false)
		return
	}
	<-s.wake
	s.raised.Store(false)
}

// How often to look, found by measuring: about 20 microseconds on the thread,
// which nobody else can use meanwhile, and 100 on the caller's side, which lets
// other goroutines run. With one CPU looking only keeps the other from running.
const (
	threadLooks = 20_000
	callerLooks = 1_000
)

func looks(n int) int {
	if runtime.GOMAXPROCS(0) == 1 || runtime.NumCPU() == 1 {
		return 0
	}
	return n
}
