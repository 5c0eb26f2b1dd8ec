package fake

import (
	"fmt"
	"slices"
	"sync"

	"github.com/nkconform/nkconform/mprog"
)

// Match says which calls are meant. Every field that is zero leaves it open.
type Match struct {
	Op   mprog.Op         // the operation
	Hook mprog.Hook       // the hook that the call names, or its link was attached to
	When func(*Call) bool // anything else; it must not call the kernel
	Nth  int              // only the first, second and so on that matches otherwise
}

// Action is done at a call that matches. An error is what the call fails with.
// It may call the kernel: what it calls through [Rival] matches nothing.
type Action func(*Call) error

// Before has an action done before every call that matches, until stop is called.
// When the action fails, the call is not made.
func (k *Kernel) Before(m Match, do Action) (stop func()) { return k.inject(before, m, do) }

// After has an action done after every call that matches, until stop is called,
// before its caller gets to know the answer. When the action fails, what the call
// has done stays done, but its answer is lost.
func (k *Kernel) After(m Match, do Action) (stop func()) { return k.inject(after, m, do) }

type moment int

const (
	before moment = iota
	after
)

// injection is an action and the calls that it is meant for.
type injection struct {
	moment moment
	match  Match
	do     Action

	mu   sync.Mutex
	seen int // how many have matched
}

func (k *Kernel) inject(at moment, m Match, do Action) (stop func()) {
	k = k.kernel
	if r := k.remote(); r != nil {
		return k.injectRemotely(r, at, m, do)
	}
	i := &injection{moment: at, match: m, do: do}
	k.rewatch(func(w *watch) { w.injections = append(w.injections, i) })
	return func() {
		k.rewatch(func(w *watch) {
			w.injections = slices.DeleteFunc(w.injections, func(other *injection) bool { return other == i })
		})
	}
}

// interfere does what is to be done at a call, in the order in which it was
// injected, up to the first error.
func (w *watch) interfere(c *Call, at moment) error {
	if len(w.injections) == 0 || c.Process.rival {
		return nil
	}
	k := c.Process.kernel
	if c.Hook == (mprog.Hook{}) {
		k.mu.Lock()
		c.Hook = c.Process.hookOf(c.Request)
		k.mu.Unlock()
	}
	probe := c.Process.around != nil && k.probes(c)
	for _, i := range w.injections {
		if i.moment != at || probe && i.match.any() || !i.matches(c) {
			continue
		}
		if err := c.Process.meanwhile(i.do, c); err != nil {
			err = k.answer(c.Op, err)
			if w.log != nil && c.Process.around == nil {
				w.log.injected(c, at, err)
			}
			return err
		}
	}
	return nil
}

// any reports whether nothing but the operation is asked for.
func (m *Match) any() bool { return m.Hook == (mprog.Hook{}) && m.When == nil }

// probes reports whether a call of a program outside asks for what the kernel
// can do, rather than for a hook: libraries attach to a device that nobody has, to
// see which errno comes.
func (k *Kernel) probes(c *Call) bool {
	if c.Hook.Type == 0 && c.Hook.Ifindex == 0 {
		return false
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	return c.Process.net.devices[c.Hook.Ifindex] == nil
}

func (i *injection) matches(c *Call) bool {
	m := &i.match
	if m.Op != "" && m.Op != c.Op || m.Hook != (mprog.Hook{}) && m.Hook != c.Hook {
		return false
	}
	if m.When != nil && !m.When(c) {
		return false
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.seen++
	return m.Nth == 0 || m.Nth == i.seen
}

// Fail fails the call, for no reason of the kernel's: the error's rule is
// "injected". The error is an errno, mprog's or the system's own, or wraps one;
// with another, Fail panics.
func Fail(err error) Action {
	errno, ok := mprog.ErrnoOf(err)
	if !ok || errno == 0 {
		panic(fmt.Sprintf("fake: fail: %v is no errno", err))
	}
	return func(*Call) error { return refuse(&RuleInfo{ID: "injected", Errno: errno}, "injected") }
}

// Rival acts as another agent on the same machine, which has the fds of the first
// process and all capabilities. The kernel that it gets is the one in hand, but
// for injections, none of which matches what is called through it.
func Rival(act func(*Kernel)) Action {
	return func(c *Call) error {
		k := c.Process.kernel
		p := *k.Process
		p.rival, p.trail = true, nil
		act(&Kernel{Process: &p})
		return nil
	}
}

// Gate holds calls up until it is opened.
type Gate struct {
	held, open chan struct{}
	once       sync.Once
	opened     sync.Once
}

// NewGate returns a gate that is shut. Its Hold is an [Action].
func NewGate() *Gate { return &Gate{held: make(chan struct{}), open: make(chan struct{})} }

// Hold waits until the gate is open.
func (g *Gate) Hold(*Call) error {
	g.once.Do(func() { close(g.held) })
	<-g.open
	return nil
}

// Held is closed when the first call is held up.
func (g *Gate) Held() <-chan struct{} { return g.held }

// Open lets all calls go on, those to come included.
func (g *Gate) Open() { g.opened.Do(func() { close(g.open) }) }
