package kernel

import (
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// thread runs functions on one operating system thread, which may have another
// network namespace, other file descriptors and other capabilities than the
// rest of the program. Go never uses that thread for anything else and never
// makes new threads from it, and it dies with the goroutine locked to it.
type thread struct {
	tid      int
	call     func() // what to run; nil ends the thread
	posted   signal
	returned signal
}

// startThread starts a thread and runs setup on it first. When setup fails, the
// thread ends and its error is returned.
func startThread(setup func() error) (*thread, error) {
	t := &thread{}
	t.posted.wake = make(chan struct{})
	t.returned.wake = make(chan struct{})
	ready := make(chan error)
	go t.main(setup, ready)
	if err := <-ready; err != nil {
		t.join()
		return nil, err
	}
	return t, nil
}

func (t *thread) main(setup func() error, ready chan<- error) {
	runtime.LockOSThread() // and never unlock
	t.tid = unix.Gettid()
	if t.tid == unix.Getpid() {
		// The program's first thread cannot end before the program does, and
		// /proc/self would show its namespace. While this goroutine holds it,
		// another one gets another thread.
		relayed := make(chan error)
		go t.main(setup, relayed)
		err := <-relayed
		runtime.UnlockOSThread()
		ready <- err
		return
	}
	err := setup()
	ready <- err
	if err != nil {
		return
	}
	look := looking(threadLook)
	for {
		t.posted.wait(look, func() {}) // runtime.Gosched would be a sleep here
		if t.call == nil {
			return
		}
		t.call()
		t.returned.raise()
	}
}

// do runs call on the thread and waits for it. One call at a time: the caller
// must hold a lock.
func (t *thread) do(call func()) {
	t.call = call
	t.posted.raise()
	t.returned.wait(looking(callerLook), runtime.Gosched)
}

// end ends the thread soon, and with it everything that only the thread held.
// Nothing may be called afterwards.
func (t *thread) end() {
	t.call = nil
	t.posted.raise()
}

// stop ends the thread and waits until it is gone.
func (t *thread) stop() {
	t.end()
	t.join()
}

// join waits until the thread is gone. The kernel forgets its number last, after
// it has closed its descriptors and left its namespaces.
func (t *thread) join() {
	for pid := unix.Getpid(); unix.Tgkill(pid, t.tid, 0) == nil; {
		time.Sleep(10 * time.Microsecond)
		runtime.Gosched() // or a sleeper that is always due starves the others
	}
}
