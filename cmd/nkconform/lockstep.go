package main

import (
	"context"
	"errors"
	"runtime/debug"
	"slices"

	"github.com/nkconform/nkconform/conformance/lockstep"
	"github.com/nkconform/nkconform/fake"
	"github.com/nkconform/nkconform/internal/backend"
	"github.com/nkconform/nkconform/mprog"
	"github.com/nkconform/nkconform/trace"
)

// lockstepBackends returns two backends to compare. A fake among them is made like the
// other, and of a version if one is given.
func lockstepBackends(ctx context.Context, nameA, nameB, version string) (a, b lockstep.Backend, done func() error, err error) {
	if nameA, nameB, err = lockstepNames(nameA, nameB, version); err != nil {
		return a, b, nil, err
	}
	localA, err := backend.Open(ctx, nameA, progress())
	if err != nil {
		return a, b, nil, err
	}
	localB, err := backend.Open(ctx, nameB, progress())
	if err != nil {
		return a, b, nil, errors.Join(err, localA.Close())
	}
	done = func() error { return errors.Join(localA.Close(), localB.Close()) }
	options, err := backend.Alike(localA, localB)
	if err != nil {
		return a, b, nil, errors.Join(err, done())
	}
	// Millions of calls are made, of which nobody reads the reasons, and what is kept of them
	// is little: a collector of garbage that works seldom is enough.
	fake.Terse(true)
	debug.SetGCPercent(1000)
	wrap := func(l *backend.Backend) lockstep.Backend {
		name, open := l.Name, func() (mprog.Environment, error) { return l.New(&trace.File{}) }
		if l.Name == "fake" {
			name += " of Linux " + fake.New(options...).Release() // by uname, which exec leaves as it is
			open = func() (mprog.Environment, error) { return fake.New(options...), nil }
		} else if l.Fake {
			of := append(slices.Clone(options), fake.Linux(l.Kernel.Release))
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
	ofA, errA := backend.Name(a, of(a))
	ofB, errB := backend.Name(b, of(b))
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

// kernelUsage is what the flag says that names a version of the simulated kernel.
var kernelUsage = "version of Linux to simulate, with the backend fake: 6.12.111, or 6.12 for its newest update known (default " + fake.Newest.String() + ")"
