package testee

import (
	"errors"
	"fmt"

	"github.com/nkconform/nkconform/kernel"
	"github.com/nkconform/nkconform/mprog"
)

// Testee makes environments of the running kernel whose attaching calls are made
// by a program. They are used one after the other, and share one process as long
// as that keeps to the protocol.
type Testee struct {
	command []string
	name    string
	idle    *environment
}

// New starts a testee: a program and its arguments. It must be closed. An error
// that wraps [kernel.ErrUnavailable] is the machine's.
func New(command ...string) (*Testee, error) {
	t := &Testee{command: command}
	e, r, err := t.newEnvironment()
	if err != nil {
		return nil, err
	}
	t.idle, t.name = e, r.words["name"]
	if v := r.words["version"]; v != "" {
		t.name += " " + v
	}
	return t, nil
}

// Name is what the testee says that it is, with its version.
func (t *Testee) Name() string { return t.name }

// Open returns an environment. Its Shutdown must come before the next Open.
func (t *Testee) Open() (mprog.Environment, error) {
	if e := t.idle; e != nil {
		t.idle = nil
		return e, nil
	}
	e, _, err := t.newEnvironment()
	return e, err
}

// Close ends the testee.
func (t *Testee) Close() error {
	e := t.idle
	if t.idle = nil; e == nil {
		return nil
	}
	return e.end()
}

// environment is a kernel's whose attaching calls a testee makes.
type environment struct {
	*kernel.Kernel
	testee  *Testee
	process *process
}

var _ mprog.Environment = (*environment)(nil)

func (t *Testee) newEnvironment() (*environment, reply, error) {
	k, err := kernel.New()
	if err != nil {
		return nil, reply{}, err
	}
	p, r, err := startProcess(t.command, k.Enter)
	if err != nil {
		return nil, r, errors.Join(err, k.Shutdown())
	}
	return &environment{k, t, p}, r, nil
}

// Shutdown renews the environment for the next one. A testee that broke the
// protocol is replaced.
func (e *environment) Shutdown() error {
	if e.process.broken != nil {
		return errors.Join(e.process.broken, e.end())
	}
	if err := e.Renew(); err != nil {
		return errors.Join(err, e.end())
	}
	e.testee.idle = e
	return nil
}

func (e *environment) end() error {
	return errors.Join(e.process.stop(), e.Kernel.Shutdown())
}

// object returns what an fd refers to. One that refers to nothing of this kind
// cannot be handed to another program.
func (e *environment) object(op mprog.Op, fd uint32, kind mprog.ObjectKind) (id uint32, err error) {
	if fd == 0 {
		return 0, nil
	}
	info, err := e.ObjectInfo(fd)
	if err != nil || info.Kind != kind {
		return 0, unsupported(op, fmt.Sprintf("fd %d is none of the object that is needed", fd))
	}
	return info.ID, nil
}

func unsupported(op mprog.Op, why string) error {
	return fmt.Errorf("%s through a testee: %w: %s", op, mprog.ErrUnsupported, why)
}
