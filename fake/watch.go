package fake

import (
	"slices"

	"github.com/nkconform/nkconform/mprog"
)

// watch is who looks at the calls of a machine or interferes with them. It is not
// changed, but replaced.
type watch struct {
	observers  []*observer
	injections []*injection
	log        *recorder
	remote     Remote // who makes the calls instead
}

// rewatch changes who watches. With nobody left, calls cost nothing extra again.
func (k *Kernel) rewatch(change func(*watch)) {
	k.watching.Lock()
	defer k.watching.Unlock()
	var w watch
	if old := k.watch.Load(); old != nil {
		w = watch{slices.Clone(old.observers), slices.Clone(old.injections), old.log, old.remote}
	}
	change(&w)
	if len(w.observers) == 0 && len(w.injections) == 0 && w.log == nil && w.remote == nil {
		k.watch.Store(nil)
		return
	}
	k.watch.Store(&w)
}

// Event is a call that has been answered.
type Event struct {
	Call
	Answer any   // an fd, an id, a result of package mprog, or nil
	Err    error // the refusal
	// Steps are the checks in their order, up to the one that refused, and what
	// was done.
	Steps []Step
}

// Refusal returns the refusal, or nil when the call succeeded or could not be
// made.
func (e *Event) Refusal() *mprog.Error {
	refusal, _ := e.Err.(*mprog.Error)
	return refusal
}

type observer struct{ tell func(*Event) }

// Observe has a function told of every call, in the order in which they take
// effect, until stop is called. The function must not call the kernel.
func (k *Kernel) Observe(tell func(*Event)) (stop func()) {
	k = k.kernel
	if r := k.remote(); r != nil {
		return r.Observe(func(e *RemoteEvent) { tell(k.remoteEvent(e)) })
	}
	o := &observer{tell}
	k.rewatch(func(w *watch) { w.observers = append(w.observers, o) })
	return func() {
		k.rewatch(func(w *watch) {
			w.observers = slices.DeleteFunc(w.observers, func(other *observer) bool { return other == o })
		})
	}
}
