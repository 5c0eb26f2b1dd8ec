package intercept

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"

	"github.com/nkconform/nkconform/fake"
)

// TB is what [NewT] wants of a *testing.T or *testing.B.
type TB interface {
	fake.TB
	Fatalf(format string, args ...any)
	Skip(args ...any)
}

// orSkip is the word of OrSkip.
const orSkip = "intercept.OrSkip"

// OrSkip is for [NewT]: a test that cannot have such a kernel, be it that the program
// was not started by [Main] or that the machine lacks something, is skipped with
// the reason instead of failing.
func OrSkip() fake.Option { return fake.Word(orSkip) }

// NewT returns the kernel that the program's own system calls reach, from now on
// until the test ends: a fresh one, with ids, pins, hooks and devices of its own.
// It is the same as one of [fake.NewT], and a test can be written for both: hooks
// are looked at by Hook, Before and After come between the calls of the code under
// test, and what is left behind at the end fails the test. Differences:
//
//   - Fds that the kernel answers itself, as by LoadProg, are no fds of the program.
//     The other way round, it knows the program's.
//   - Before and After see what comes by bpf(2), not close(2), dup(2) and unlink(2).
//     Calls that package mprog has no name for are called as in "map create".
//   - Devices and network namespaces are real ones of the program's own network
//     namespace, see [Run]. Those that are left when the test ends are deleted.
//   - Probes are left alone: what is injected into an operation on any hook does not
//     match a call on a device that does not exist, by which libraries find out
//     what a kernel can do. A Match with a Hook or with When does.
//   - An observer is told of calls when the kernel is next asked for a Hook, its
//     Trace or its end, and when it is stopped.
//   - Transmit is not supported: send packets.
//
// One test at a time has such a kernel, unless Options.Parallel says otherwise. The next one waits for its end; a second
// kernel in one test is a mistake. The test program must have been started by
// [Main]; a test that was not fails.
//
// Libraries remember what they have found out of a kernel: cilium/ebpf probes for
// a feature once a process, whatever kernel the next test chooses.
func NewT(t TB, opts ...fake.Option) *fake.Kernel {
	t.Helper()
	if notHeld != "" {
		t.Skip(notHeld)
		return nil
	}
	if !holding() && os.Getenv(interceptedVariable) != "" {
		t.Fatalf("intercept.NewT: this process was started by a test program of intercept.Main, as workers of go test -fuzz are, " +
			"and holds no kernel: one process does")
		return nil
	}
	if !holding() && fake.New(opts...).Has(orSkip) {
		t.Skip("intercept.NewT: this test program was not started by intercept.Main")
		return nil
	}
	if !holding() {
		t.Fatalf("intercept.NewT: this process's system calls reach the running kernel, not one of NewT: " +
			"add func TestMain(m *testing.M) { intercept.Main(m, intercept.Options{}) } to the package's tests")
		return nil
	}
	if !parallel {
		if owner := live.take(t.Name()); owner != "" {
			t.Fatalf("intercept.NewT: the kernel of %s answers this process's calls, and this test is a part of that one: "+
				"one test has one kernel", owner)
			return nil
		}
		t.Cleanup(live.free) // the last thing of all
	}
	var do func(func())
	k, err := fake.NewRemoteT(t, hold(t, &do), opts...)
	if errors.Is(err, ErrUnavailable) && (skips || fake.New(opts...).Has(orSkip)) {
		t.Skip(err)
		return nil
	}
	if err != nil {
		t.Fatalf("intercept.NewT: %v", err)
		return nil
	}
	live.mu.Lock()
	defer live.mu.Unlock()
	live.do[k] = do
	t.Cleanup(func() {
		live.mu.Lock()
		defer live.mu.Unlock()
		delete(live.do, k)
	})
	return k
}

// Do runs a function where a kernel of [NewT] answers, with Options.Parallel: on a
// thread in the kernel's network and mount namespaces. Goroutines that the
// function starts run elsewhere, and their calls of bpf(2) are refused. Without
// Options.Parallel it just calls the function.
func Do(t TB, k *fake.Kernel, f func()) {
	t.Helper()
	live.mu.Lock()
	do := live.do[k]
	live.mu.Unlock()
	if do == nil {
		t.Fatalf("intercept.Do: the kernel does not answer: it must be of intercept.NewT, and its test must not have ended")
		return
	}
	do(f)
}

// Start starts a program on the kernel of a test, which must be one of [NewT]: it
// reaches the same hooks, devices, pins and namespaces as the test program itself,
// from the start, and each sees what the other changes. When the test ends, the
// program is killed and has ended, but for what it has started itself. Its
// output is complete when c.Wait has returned, a second later at the latest unless
// c.WaitDelay says otherwise.
func Start(t TB, k *fake.Kernel, c *exec.Cmd) {
	t.Helper()
	live.mu.Lock()
	do := live.do[k]
	live.mu.Unlock()
	if do == nil {
		t.Fatalf("intercept.Start: the kernel does not answer: it must be of intercept.NewT, and its test must not have ended")
		return
	}
	if c.WaitDelay == 0 {
		c.WaitDelay = time.Second // or whoever has inherited its output is waited for
	}
	var err error
	do(func() { err = c.Start() })
	if err != nil {
		t.Fatalf("intercept.Start: %v", err)
		return
	}
	t.Cleanup(func() {
		if c.Process.Kill() == nil { // or it has ended
			awaitEnd(c.Process.Pid)
		}
	})
}

// live is the test whose kernel answers.
var live = owner{do: make(map[*fake.Kernel]func(func()))}

// owner is a lock that tells who has it.
type owner struct {
	mu    sync.Mutex
	freed sync.Cond
	name  string
	do    map[*fake.Kernel]func(func()) // what runs a function where a kernel answers
}

// take waits until nobody has the lock. It returns who has it if that is the same
// test, or one that this one is a part of, which would never end.
func (o *owner) take(name string) (owner string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.freed.L = &o.mu
	for o.name != "" {
		if o.name == name || strings.HasPrefix(name, o.name+"/") {
			return o.name
		}
		waits := time.AfterFunc(patience, func() {
			fmt.Fprintf(os.Stderr, "intercept.NewT: %s waits for the end of a test that has a kernel: one that waits itself, as by "+
				"t.Parallel behind NewT, never ends\n", name)
		})
		o.freed.Wait()
		waits.Stop()
	}
	o.name = name
	return ""
}

// patience is how long a test waits for another one without a word.
const patience = 10 * time.Second

func (o *owner) free() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.name = ""
	o.freed.Broadcast()
}

// errEnded is what a kernel says after its test.
var errEnded = errors.New("the test of this kernel has ended, and with it the kernel")
