package ciliumebpf

import (
	"errors"
	"fmt"
	"runtime"

	"github.com/nkconform/nkconform/kernel"
	"github.com/nkconform/nkconform/mprog"
)

// Environment is an environment of the running kernel whose attaching calls are
// made by the library.
type Environment struct {
	*kernel.Kernel
	calls chan func() // run on a thread in the environment's network namespace
}

var _ mprog.Environment = (*Environment)(nil)

// New makes an environment, as [kernel.New] does.
func New() (*Environment, error) {
	k, err := kernel.New()
	if err != nil {
		return nil, err
	}
	e := &Environment{k, make(chan func())}
	entered := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlock: the thread ends with its namespace
		entered <- k.Enter()
		for f := range e.calls {
			f()
		}
	}()
	if err := <-entered; err != nil {
		return nil, errors.Join(fmt.Errorf("new environment: %w", err), e.Shutdown())
	}
	return e, nil
}

// on runs a function on the thread.
func (e *Environment) on(f func() error) error {
	done := make(chan error)
	e.calls <- func() { done <- f() }
	return <-done
}

// Run runs a function here and now: the library's calls are made on other threads
// than the environment's own.
func (e *Environment) Run(f func()) error {
	f()
	return nil
}

// Shutdown ends the thread and the environment.
func (e *Environment) Shutdown() error {
	close(e.calls)
	return e.Kernel.Shutdown()
}
