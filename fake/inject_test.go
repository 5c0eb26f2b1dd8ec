package fake_test

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/nkconform/nkconform/conformance"
	"github.com/nkconform/nkconform/fake"
	"github.com/nkconform/nkconform/mprog"
	"github.com/nkconform/nkconform/trace"
)

// rivals is a machine with a pair and three programs.
type rivals struct {
	*fake.Kernel
	nk0     uint32
	a, b, c uint32 // fds
}

func newRivals(t testing.TB, opts ...fake.Option) *rivals {
	t.Helper()
	m := &rivals{Kernel: fake.New(append([]fake.Option{fake.Record()}, opts...)...)}
	var err error
	if m.nk0, _, err = m.AddDevice(mprog.DeviceSpec{Kind: mprog.Netkit, Name: "nk0", Peer: "nk1"}); err != nil {
		t.Fatal(err)
	}
	for _, p := range []struct {
		name string
		fd   *uint32
	}{{"a", &m.a}, {"b", &m.b}, {"c", &m.c}} {
		if *p.fd, err = m.LoadProg(mprog.ProgSpec{Name: p.name}); err != nil {
			t.Fatal(err)
		}
	}
	return m
}

func (m *rivals) attach(fd uint32) mprog.AttachRequest {
	return mprog.AttachRequest{TargetIfindex: m.nk0, AttachType: mprog.NetkitPrimary, AttachFD: fd}
}

func (m *rivals) hook() string { return m.Hook(m.nk0, mprog.NetkitPrimary).String() }

func wantErrno(t testing.TB, err error, want mprog.Errno) {
	t.Helper()
	if got, ok := mprog.ErrnoOf(err); !ok || got != want {
		t.Errorf("%v, want %s", err, want)
	}
}

func wantHook(t testing.TB, m *rivals, want string) {
	t.Helper()
	if got := m.hook(); got != want {
		t.Errorf("hook is at %s, want %s", got, want)
	}
}

// The nth call that matches fails, and nothing is done.
func TestFail(t *testing.T) {
	m := newRivals(t)
	stop := m.Before(fake.Match{Op: mprog.OpProgAttach, Nth: 2}, fake.Fail(mprog.ENOMEM))
	wantErrno(t, m.ProgAttach(m.attach(m.a)), 0)
	err := m.ProgAttach(m.attach(m.b))
	wantErrno(t, err, mprog.ENOMEM)
	if got := err.Error(); got != "prog attach: injected: ENOMEM" {
		t.Error(got)
	}
	wantHook(t, m, "revision 2 [a]")
	wantErrno(t, m.ProgAttach(m.attach(m.b)), 0)
	stop()
	wantErrno(t, m.ProgAttach(m.attach(m.c)), 0)
	wantHook(t, m, "revision 4 [a b c]")
}

// What fails afterwards is done, and its answer is lost.
func TestFailAfter(t *testing.T) {
	m := newRivals(t)
	defer m.After(fake.Match{Op: mprog.OpLinkCreate}, fake.Fail(mprog.EINTR))()
	_, err := m.LinkCreate(mprog.LinkCreateRequest{TargetIfindex: m.nk0, AttachType: mprog.NetkitPrimary, ProgFD: m.a})
	wantErrno(t, err, mprog.EINTR)
	wantHook(t, m, "revision 2 [a@l1]")
}

// Calls are told apart by hook and by anything else.
func TestMatch(t *testing.T) {
	m := newRivals(t)
	hook := mprog.Hook{Ifindex: m.nk0, Type: mprog.NetkitPeer}
	fd, err := m.LinkCreate(mprog.LinkCreateRequest{TargetIfindex: m.nk0, AttachType: mprog.NetkitPeer, ProgFD: m.a})
	wantErrno(t, err, 0)
	var ops []mprog.Op
	m.Before(fake.Match{Hook: hook}, func(c *fake.Call) error {
		ops = append(ops, c.Op)
		return nil
	})
	m.Before(fake.Match{When: func(c *fake.Call) bool {
		r, ok := c.Request.(mprog.AttachRequest)
		return ok && r.AttachFD == m.c
	}}, func(*fake.Call) error { return mprog.EAGAIN })
	wantErrno(t, m.ProgAttach(m.attach(m.b)), 0)
	wantErrno(t, m.ProgAttach(m.attach(m.c)), mprog.EAGAIN)
	wantErrno(t, m.LinkUpdate(mprog.LinkUpdateRequest{LinkFD: fd, NewProgFD: m.b}), 0)
	wantErrno(t, m.Close(fd), 0)
	if want := []mprog.Op{mprog.OpLinkUpdate, mprog.OpClose}; !slices.Equal(ops, want) {
		t.Errorf("%v, want %v", ops, want)
	}
}

// A rival comes between a query and the attach that relies on it.
func TestRival(t *testing.T) {
	m := newRivals(t)
	wantErrno(t, m.ProgAttach(m.attach(m.a)), 0)
	m.After(fake.Match{Op: mprog.OpProgQuery, Nth: 1}, fake.Rival(func(k *fake.Kernel) {
		wantErrno(t, k.ProgAttach(m.attach(m.c)), 0)
		k.ProgQuery(mprog.QueryRequest{TargetIfindex: m.nk0, AttachType: mprog.NetkitPrimary})
	}))
	for try := 1; ; try++ {
		q, err := m.ProgQuery(mprog.QueryRequest{TargetIfindex: m.nk0, AttachType: mprog.NetkitPrimary})
		wantErrno(t, err, 0)
		r := m.attach(m.b)
		r.Flags, r.ExpectedRevision = mprog.Before, q.Revision
		err = m.ProgAttach(r)
		if try == 1 {
			wantErrno(t, err, mprog.ESTALE)
			continue
		}
		wantErrno(t, err, 0)
		break
	}
	wantHook(t, m, "revision 4 [b a c]")
}

// A rival deletes the device, once.
func TestRivalDeletesDevice(t *testing.T) {
	m := newRivals(t)
	m.Before(fake.Match{Op: mprog.OpLinkUpdate}, fake.Rival(func(k *fake.Kernel) {
		if err := k.DeleteDevice(m.nk0); err != nil {
			t.Error(err)
		}
		if err := k.Supports(mprog.FeatureNetkit); err != nil || k.Hook(m.nk0, mprog.NetkitPrimary).Err != mprog.ENODEV {
			t.Error(err)
		}
	}))
	fd, err := m.LinkCreate(mprog.LinkCreateRequest{TargetIfindex: m.nk0, AttachType: mprog.NetkitPrimary, ProgFD: m.a})
	wantErrno(t, err, 0)
	wantErrno(t, m.LinkUpdate(mprog.LinkUpdateRequest{LinkFD: fd, NewProgFD: m.b}), mprog.ENOLINK)
	wantHook(t, m, "ENODEV")
}

// A call that is held up takes effect when it is let go.
func TestGate(t *testing.T) {
	m := newRivals(t)
	g := fake.NewGate()
	m.Before(fake.Match{Op: mprog.OpProgAttach, Nth: 1}, g.Hold)
	var wg sync.WaitGroup
	wg.Go(func() { wantErrno(t, m.ProgAttach(m.attach(m.a)), 0) })
	<-g.Held()
	wantErrno(t, m.ProgAttach(m.attach(m.b)), 0)
	g.Open()
	g.Open()
	wg.Wait()
	wantHook(t, m, "revision 3 [b a]")
}

// Many goroutines at once: exactly one call is the nth.
func TestInjectConcurrently(t *testing.T) {
	m := newRivals(t)
	m.Before(fake.Match{Op: mprog.OpProgQuery, Nth: 50}, fake.Fail(mprog.EIO))
	var wg sync.WaitGroup
	var mu sync.Mutex
	failed := 0
	for range 10 {
		wg.Go(func() {
			for range 10 {
				_, err := m.ProgQuery(mprog.QueryRequest{TargetIfindex: m.nk0, AttachType: mprog.NetkitPrimary})
				if errors.Is(err, mprog.EIO) {
					mu.Lock()
					failed++
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	if failed != 1 {
		t.Errorf("%d calls failed", failed)
	}
}

// A trace tells of rivals, as calls like any, and of failures, as comments.
func TestTraceOfInjections(t *testing.T) {
	m := newRivals(t)
	m.Before(fake.Match{Op: mprog.OpProgAttach, Nth: 1}, fake.Rival(func(k *fake.Kernel) {
		wantErrno(t, k.ProgAttach(m.attach(m.c)), 0)
	}))
	m.Before(fake.Match{Op: mprog.OpProgDetach}, fake.Fail(mprog.EIO))
	wantErrno(t, m.ProgAttach(m.attach(m.a)), 0)
	wantErrno(t, m.ProgDetach(mprog.DetachRequest(m.attach(m.a))), mprog.EIO)
	want := `# Calls on Linux 7.3.4 (simulated).
need netkit
netkit nk0 nk1
prog a
prog b
prog c
attach nk0:primary c                   = revision 2 [c]  # by a rival
attach nk0:primary a                   = revision 3 [c a]
# injected, not made: detach nk0:primary a: prog detach: injected: EIO
`
	got := m.Trace().String()
	if got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	f, err := trace.Parse("trace", got)
	if err != nil {
		t.Fatal(err)
	}
	if r := conformance.Run(fake.New(), conformance.Scenario{Trace: f}); r.Status != conformance.Passed {
		t.Error(r.Failure)
	}
}

// Steps are the checks in order, up to the one that refused.
func TestSteps(t *testing.T) {
	m := newRivals(t)
	wantErrno(t, m.ProgAttach(m.attach(m.a)), 0)
	var e *fake.Event
	stop := m.Observe(func(event *fake.Event) { e = event })
	r := m.attach(m.b)
	r.Flags, r.Relative, r.ExpectedRevision = mprog.Before|mprog.After, m.a, 2
	err := m.ProgAttach(r)
	wantErrno(t, err, mprog.ERANGE)
	var lines []string
	for _, s := range e.Steps {
		mark := "+ "
		if !s.Passed {
			mark = "- "
		}
		lines = append(lines, mark+string(s.Rule)+": "+s.Text)
	}
	want := `+ flags/unknown: flags before+after are known
+ prog/not-a-program: fd 4 is program id 2 (b)
+ prog/type: it is of type SCHED_CLS
+ device/single: ifindex 3 is the primary device of a netkit pair, ifindex 2 its peer
+ revision/stale: expected revision 2 (0 is any), hook is at 2
+ attach/duplicate: program id 2 (b) is not on the hook
+ relative/not-a-program: fd 3 is program id 1 (a)
+ : the relative object is program id 1 (a)
+ attach/full: the hook has 1 programs, at most 63 fit
+ : before: the one in front is position -1
- position/disagree: before says position -1, after says position 1: they must agree`
	if got := strings.Join(lines, "\n"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if e.Refusal() == nil || e.Err != err || e.Op != mprog.OpProgAttach || e.Hook.Ifindex != m.nk0 {
		t.Errorf("%+v", e)
	}
	stop()
	e = nil
	wantErrno(t, m.ProgAttach(m.attach(m.b)), 0)
	if e != nil {
		t.Error("told after the end")
	}
}

// Fail takes an errno in every form, and nothing else.
func TestFailTakesErrnos(t *testing.T) {
	for _, err := range []error{mprog.ESTALE, syscall.ESTALE, fmt.Errorf("attach: %w", syscall.ESTALE)} {
		if got := fake.Fail(err)(nil); !errors.Is(got, mprog.ESTALE) {
			t.Errorf("%#v fails with %v", err, got)
		}
	}
	for _, err := range []error{nil, io.EOF} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%v is taken for an errno", err)
				}
			}()
			fake.Fail(err)
		}()
	}
}
