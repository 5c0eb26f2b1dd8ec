package kernel

import (
	"sync"
	"sync/atomic"
)

// Run calls f on the first process's thread, where f's calls of the Kernel's
// methods need not be handed over from one thread to another: that takes a
// microsecond, but a hundred in an emulated machine with one CPU. Other
// goroutines' calls wait until f returns.
//
// The thread has its own file descriptors, so f must not use files or sockets,
// not even to print. It must return: neither panic, nor runtime.Goexit, nor
// what calls that, as testing.T.FailNow. It must not call Shutdown or Exit.
func (k *Kernel) Run(f func()) error {
	p := k.Process
	if p.mu.nested() {
		f()
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.do(func() {
		p.mu.inside.Store(self())
		defer p.mu.inside.Store(0)
		f()
	})
}

// callLock is a mutex that lets a goroutine pass which runs a function of
// [Kernel.Run] and holds it thereby.
type callLock struct {
	mutex  sync.Mutex
	inside atomic.Uintptr // that goroutine's self; 0 for none
}

func (l *callLock) nested() bool {
	inside := l.inside.Load()
	return inside != 0 && inside == self()
}

func (l *callLock) Lock() {
	if !l.nested() {
		l.mutex.Lock()
	}
}

func (l *callLock) Unlock() {
	if !l.nested() {
		l.mutex.Unlock()
	}
}
