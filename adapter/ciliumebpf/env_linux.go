package ciliumebpf

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"

	"golang.org/x/sys/unix"

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

// creating keeps two environments from being made at the same time, see New.
var creating sync.Mutex

// New makes an environment, as [kernel.New] does.
func New() (*Environment, error) {
	creating.Lock()
	defer creating.Unlock()
	before, err := namespaces()
	if err != nil {
		return nil, err
	}
	k, err := kernel.New()
	if err != nil {
		return nil, err
	}
	e := &Environment{k, make(chan func())}
	if err := e.start(before); err != nil {
		return nil, errors.Join(fmt.Errorf("new environment: %w", err), k.Shutdown())
	}
	return e, nil
}

// namespaces maps the network namespaces of this program's threads to a file
// that stands for them.
func namespaces() (map[string]string, error) {
	files, err := filepath.Glob("/proc/self/task/*/ns/net")
	if err != nil {
		return nil, err
	}
	found := map[string]string{}
	for _, f := range files {
		if name, err := os.Readlink(f); err == nil { // else the thread has ended
			found[name] = f
		}
	}
	return found, nil
}

// start starts the thread, in the one namespace that has come since.
func (e *Environment) start(before map[string]string) error {
	after, err := namespaces()
	if err != nil {
		return err
	}
	var file string
	for name, f := range after {
		if before[name] == "" {
			file = f
		}
	}
	fd, err := unix.Open(file, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("find the environment's namespace: %w", err)
	}
	started := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlock: the thread ends with its namespace
		err := unix.Setns(fd, unix.CLONE_NEWNET)
		unix.Close(fd)
		started <- err
		for f := range e.calls {
			f()
		}
	}()
	return <-started
}

// on runs a function on the thread.
func (e *Environment) on(f func() error) error {
	done := make(chan error)
	e.calls <- func() { done <- f() }
	return <-done
}

// Shutdown ends the thread and the environment.
func (e *Environment) Shutdown() error {
	close(e.calls)
	return e.Kernel.Shutdown()
}
