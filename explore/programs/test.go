package programs

import (
	"errors"
	"fmt"
	"slices"
	"sync"
)

// test is what a kernel of package intercept takes for its test: one run.
type test struct {
	mu       sync.Mutex
	cleanups []func()
	errs     []error
}

func (*test) Helper()             {}
func (*test) Name() string        { return "explore" }
func (*test) Logf(string, ...any) {}
func (*test) Failed() bool        { return false }

func (t *test) Cleanup(f func()) { t.cleanups = append(t.cleanups, f) }

func (t *test) Errorf(format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.errs = append(t.errs, fmt.Errorf(format, args...))
}

// fatal is what ends a run at once.
type fatal struct{ error }

func (*test) Fatalf(format string, args ...any) { panic(fatal{fmt.Errorf(format, args...)}) }
func (*test) Fatal(args ...any)                 { panic(fatal{errors.New(fmt.Sprint(args...))}) }
func (*test) Skip(args ...any)                  { panic(fatal{errors.New(fmt.Sprint(args...))}) }

// catch makes an error of what ended the run.
func (t *test) catch(err *error) {
	if r := recover(); r != nil {
		f, ok := r.(fatal)
		if !ok {
			panic(r)
		}
		*err = f.error
	}
}

// cleanUp does what is to be done at the end, the last first.
func (t *test) cleanUp() {
	for _, f := range slices.Backward(t.cleanups) {
		f()
	}
	t.cleanups = nil
}
