package main

import (
	"errors"

	"github.com/nkconform/nkconform/conformance/lockstep"
	"github.com/nkconform/nkconform/fake"
	"github.com/nkconform/nkconform/mprog"
	"github.com/nkconform/nkconform/trace"
)

// lockstepBackends returns two backends to compare. A fake among them is made
// like the other.
func lockstepBackends(nameA, nameB string) (a, b lockstep.Backend, done func() error, err error) {
	localA, err := localBackend(nameA)
	if err != nil {
		return a, b, nil, err
	}
	localB, err := localBackend(nameB)
	if err != nil {
		return a, b, nil, errors.Join(err, localA.close())
	}
	done = func() error { return errors.Join(localA.close(), localB.close()) }
	options, err := alike(localA, localB)
	if err != nil {
		return a, b, nil, errors.Join(err, done())
	}
	wrap := func(l *backend) lockstep.Backend {
		open := func() (mprog.Environment, error) { return l.open(&trace.File{}) }
		if l.name == "fake" {
			open = func() (mprog.Environment, error) { return fake.New(options...), nil }
		}
		return lockstep.Backend{Name: l.name, New: open}
	}
	return wrap(localA), wrap(localB), done, nil
}

// alike are the options for a fake to be compared with the backends: it is the
// running kernel's release, if that is one of them and known, and lacks what
// one of them lacks.
func alike(backends ...*backend) ([]fake.Option, error) {
	var options []fake.Option
	for _, b := range backends {
		if b.name == "fake" {
			continue
		}
		if r, err := fake.ParseRelease(b.kernel.Release); err == nil {
			options = append(options, fake.Running(r))
		}
		env, err := b.open(&trace.File{})
		if err != nil {
			return nil, err
		}
		for _, f := range mprog.Features {
			if err := env.Supports(f); errors.Is(err, mprog.ErrUnsupported) {
				options = append(options, fake.Without(f))
			}
		}
		if err := env.Shutdown(); err != nil {
			return nil, err
		}
	}
	return options, nil
}
