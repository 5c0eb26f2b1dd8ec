package main

import (
	"errors"
	"slices"

	"github.com/nkconform/nkconform/conformance/lockstep"
	"github.com/nkconform/nkconform/fake"
	"github.com/nkconform/nkconform/mprog"
	"github.com/nkconform/nkconform/trace"
)

// lockstepBackends returns two backends to compare. A fake among them is made like the
// other, and of a version if one is given.
func lockstepBackends(nameA, nameB, version string) (a, b lockstep.Backend, done func() error, err error) {
	if nameA, nameB, err = lockstepNames(nameA, nameB, version); err != nil {
		return a, b, nil, err
	}
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
		name, open := l.name, func() (mprog.Environment, error) { return l.open(&trace.File{}) }
		if l.name == "fake" {
			name += " of Linux " + fake.New(options...).Release() // by uname, which exec leaves as it is
			open = func() (mprog.Environment, error) { return fake.New(options...), nil }
		} else if l.fake() {
			of := append(slices.Clone(options), fake.Linux(l.kernel.Release))
			open = func() (mprog.Environment, error) { return fake.New(of...), nil }
		}
		return lockstep.Backend{Name: name, New: open}
	}
	return wrap(localA), wrap(localB), done, nil
}

// lockstepNames are the names of two backends, the version that of each fake.
func lockstepNames(a, b, version string) (string, string, error) {
	of := func(name string) string {
		if name == "fake" || a != "fake" && b != "fake" {
			return version
		}
		return ""
	}
	ofA, errA := backendName(a, of(a))
	ofB, errB := backendName(b, of(b))
	if errA != nil {
		return "", "", errA
	}
	return ofA, ofB, errB
}

// kernelArgs hands the version of the fake on to a guest.
func kernelArgs(version string) []string {
	if version == "" {
		return nil
	}
	return []string{"--kernel", version}
}

// alike are the options for a fake to be compared with the backends: it is the
// running kernel's release, if that is one of them and known, and lacks what
// one of them lacks.
func alike(backends ...*backend) ([]fake.Option, error) {
	var options []fake.Option
	for _, b := range backends {
		if b.fake() {
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
