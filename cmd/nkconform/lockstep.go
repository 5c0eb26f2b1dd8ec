package main

import (
	"errors"

	"github.com/nkconform/nkconform/conformance/lockstep"
	"github.com/nkconform/nkconform/mprog"
	"github.com/nkconform/nkconform/trace"
)

// lockstepBackends returns two backends to compare. A fake among them is built
// without what the other lacks.
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
	lacking, err := lacks(localA, localB)
	if err != nil {
		return a, b, nil, errors.Join(err, done())
	}
	wrap := func(l *backend) lockstep.Backend {
		return lockstep.Backend{
			Name: l.name, New: func() (mprog.Environment, error) { return l.open(lacking) },
		}
	}
	return wrap(localA), wrap(localB), done, nil
}

// lacks writes the features that one of the backends does not have as a trace
// that needs their absence.
func lacks(backends ...*backend) (*trace.File, error) {
	need := &trace.Statement{Verb: "need"}
	for _, b := range backends {
		env, err := b.open(&trace.File{})
		if err != nil {
			return nil, err
		}
		for _, f := range mprog.Features {
			if err := env.Supports(f); errors.Is(err, mprog.ErrUnsupported) {
				need.Operands = append(need.Operands, "!"+string(f))
			}
		}
		if err := env.Shutdown(); err != nil {
			return nil, err
		}
	}
	return &trace.File{Lines: []trace.Line{{Statement: need}}}, nil
}
