package explore

import (
	"cmp"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nkconform/nkconform/mprog"
)

// execution is the code of an agent, running, and held at its calls. It runs in a bubble
// of testing/synctest, in which sleeping costs no time and which tells when all
// goroutines wait.
type execution struct {
	agent *agent
	at    *node
	t     *testing.T // nil: no bubble, and one goroutine

	commands chan event // closed: the process is killed
	points   chan point

	mu      sync.Mutex
	waiting []*waiting
	dying   bool
	ended   bool
	err     error
	arrived chan struct{}
}

// waiting is a goroutine that is held at a call.
type waiting struct {
	call
	reply chan answer // closed: it is killed
}

// point is what an agent does when it can do nothing without an answer.
type point struct {
	pending []call
	ended   bool
	err     error
}

// Errors of agents that are no answers of a kernel.
var (
	errPanic  = errors.New("the agent panics")
	errGoexit = errors.New("the agent ends its goroutine, as t.FailNow does: return an error instead")
	errStuck  = errors.New("the agent waits for something that never comes")
)

// start runs an agent's code up to its first call.
func start(t *testing.T, a *agent, incarnation int, patience time.Duration) (*execution, point, error) {
	x := &execution{agent: a, t: t, commands: make(chan event), points: make(chan point)}
	go x.live(incarnation)
	p, err := x.await(patience)
	return x, p, err
}

// resume answers a call, and runs the code up to the next.
func (x *execution) resume(e event, patience time.Duration) (point, error) {
	x.commands <- e
	return x.await(patience)
}

func (x *execution) await(patience time.Duration) (point, error) {
	began := time.Now()
	timer := time.NewTimer(min(patience, time.Second))
	defer timer.Stop()
	for {
		select {
		case p, ok := <-x.points:
			if !ok {
				return p, fmt.Errorf("agent %s: %w", x.agent.name, errStuck)
			}
			return p, nil
		case <-timer.C:
			if err := diagnose(x.agent.name); err != nil {
				return point{}, err
			}
			if waited := time.Since(began); waited >= patience {
				return point{}, fmt.Errorf("agent %s: it has made no call for %v, nor ended: it computes without end, or waits for "+
					"something outside of this process, as the network is", x.agent.name, waited.Round(time.Millisecond))
			}
			timer.Reset(min(patience, time.Second))
		}
	}
}

// kill ends the process. Deferred functions run, but the calls that they make do not.
// Goroutines that do not end by that are left behind.
func (x *execution) kill() {
	close(x.commands)
	timer := time.NewTimer(time.Second)
	defer timer.Stop()
	select {
	case <-x.points: // closed
	case <-timer.C:
	}
}

func (x *execution) live(incarnation int) {
	defer close(x.points)
	if x.t == nil {
		x.arrived = make(chan struct{}, 1)
		x.inside(incarnation)
		return
	}
	// A process whose goroutines do not end when it is killed leaves a bubble that
	// complains of a deadlock.
	defer func() { _ = recover() }()
	synctest.Test(x.t, func(*testing.T) {
		x.arrived = make(chan struct{}, 1)
		x.inside(incarnation)
	})
}

func (x *execution) inside(incarnation int) {
	go x.run(incarnation)
	for {
		if !x.settle() {
			return
		}
		x.points <- x.point()
		e, alive := <-x.commands
		if !alive {
			break
		}
		x.mu.Lock()
		w := x.waiting[e.index]
		x.waiting = slices.Delete(x.waiting, e.index, e.index+1)
		x.mu.Unlock()
		w.reply <- e.answer.own()
	}
	x.mu.Lock()
	x.dying = true
	for _, w := range x.waiting {
		close(w.reply)
	}
	x.waiting = nil
	x.mu.Unlock()
	if x.t != nil {
		time.Sleep(day) // those who sleep wake up, and die at their next call
	}
}

const day = 24 * time.Hour

// settle waits until every goroutine waits for an answer, or has ended. Time goes on
// only while none waits for an answer. False: none ever will.
func (x *execution) settle() bool {
	if x.t == nil {
		<-x.arrived
		return true
	}
	for {
		synctest.Wait()
		x.mu.Lock()
		settled := len(x.waiting) > 0 || x.ended
		x.mu.Unlock()
		if settled {
			return true
		}
		select {
		case <-x.arrived:
		case <-time.After(day):
			return false
		}
	}
}

func (x *execution) point() point {
	x.mu.Lock()
	defer x.mu.Unlock()
	slices.SortStableFunc(x.waiting, func(a, b *waiting) int { return cmp.Compare(a.key, b.key) })
	p := point{ended: x.ended, err: x.err}
	for _, w := range x.waiting {
		p.pending = append(p.pending, w.call)
	}
	return p
}

// run runs the code.
func (x *execution) run(incarnation int) {
	returned := false
	var err error
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%w: %v%s", errPanic, r, panicking())
		} else if !returned {
			err = errGoexit
		}
		x.mu.Lock()
		x.ended, x.err = true, err
		x.mu.Unlock()
		x.notify()
	}()
	if x.t != nil { // no two processes start at the same time
		time.Sleep(time.Duration(incarnation)*time.Hour + time.Duration(x.agent.index)*time.Minute)
	}
	err = x.agent.run(&kernel{x})
	returned = true
}

func (x *execution) notify() {
	select {
	case x.arrived <- struct{}{}:
	default:
	}
}

// call holds the calling goroutine until it is answered.
func (x *execution) call(op mprog.Op, request any) answer {
	w := &waiting{call{op, request, mix(requestKey(op, request), callers()), shapeOf(op, request)}, make(chan answer)}
	x.mu.Lock()
	if x.dying {
		x.mu.Unlock()
		runtime.Goexit()
	}
	x.waiting = append(x.waiting, w)
	x.mu.Unlock()
	x.notify()
	a, alive := <-w.reply
	if !alive {
		runtime.Goexit()
	}
	return a
}
