package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/nkconform/nkconform/adapter/testee"
	"github.com/nkconform/nkconform/fake"
	"github.com/nkconform/nkconform/kernel"
	"github.com/nkconform/nkconform/mprog"
	"github.com/nkconform/nkconform/report"
	"github.com/nkconform/nkconform/trace"
)

// backend makes environments in this process.
type backend struct {
	name   string
	kernel report.Kernel
	open   func(*trace.File) (mprog.Environment, error)
	run    func(func()) error // runs a function that opens environments, where that is cheap
	close  func() error       // after the last environment
	begun  int                // scenarios
}

// fake says that the kernel is simulated.
func (b *backend) fake() bool { return b.name == "fake" || strings.HasPrefix(b.name, fakePrefix) }

// here runs a function.
func here(f func()) error {
	f()
	return nil
}

// vmPrefix begins the names of backends that are kernels to boot.
const vmPrefix = "vm:"

// fakePrefix begins the names of simulated kernels of a version.
const fakePrefix = "fake:"

// kernelUsage is what the flag says that names a version of the simulated kernel.
var kernelUsage = "version of Linux to simulate, with the backend fake (default " + fake.Newest.String() + ")"

// backendName is the name of a backend, which of the fake tells its version.
func backendName(backend, version string) (string, error) {
	switch {
	case strings.HasPrefix(backend, fakePrefix):
		return "", fmt.Errorf("unknown backend %q: expected fake, and the version as --kernel %s", backend, strings.TrimPrefix(backend, fakePrefix))
	case version == "":
		return backend, nil
	case backend != "fake":
		return "", fmt.Errorf("--kernel %s is a version to simulate, and the backend is %s: expected fake", version, backend)
	}
	return fakePrefix + version, nil
}

// localBackend returns the backend that a name stands for, of those that need
// no machine.
func localBackend(name string) (*backend, error) {
	if version, ok := strings.CutPrefix(name, fakePrefix); ok {
		release, err := fake.ParseRelease(version)
		if err != nil {
			return nil, err
		}
		return fakeBackend(name, release), nil
	}
	if command, ok := strings.CutPrefix(name, "testee:"); ok {
		return testeeBackend(name, strings.Fields(command))
	}
	switch name {
	case "fake":
		return fakeBackend(name, fake.Newest), nil
	case "host":
		return hostBackend()
	}
	return nil, fmt.Errorf("unknown backend %q: expected fake, host, testee:CMD or vm:IMAGE", name)
}

func fakeBackend(name string, release fake.Release) *backend {
	return &backend{
		name: name, kernel: report.Kernel{Release: release.String(), Machine: "simulated"},
		open: func(f *trace.File) (mprog.Environment, error) {
			return fake.New(append(fake.Lacking(f), fake.Running(release))...), nil
		},
		run:   here,
		close: func() error { return nil },
	}
}

func hostBackend() (*backend, error) {
	pool := &kernel.Pool{}
	env, err := pool.New() // says what is missing, if anything is
	if err != nil {
		return nil, err
	}
	if err := env.Shutdown(); err != nil {
		return nil, err
	}
	restore := prepareKernel()
	return &backend{
		name: "host", kernel: hostKernel(),
		open:  func(*trace.File) (mprog.Environment, error) { return pool.New() },
		run:   pool.Run,
		close: func() error { return errors.Join(pool.Close(), restore()) },
	}, nil
}

// testeeBackend is the running kernel through another program.
func testeeBackend(name string, command []string) (*backend, error) {
	if len(command) == 0 {
		return nil, errors.New("backend testee: expected testee:CMD, a program and its arguments")
	}
	t, err := testee.New(command...)
	if err != nil {
		return nil, err
	}
	restore := prepareKernel()
	through := hostKernel()
	through.Release += " through " + t.Name()
	return &backend{
		name: name, kernel: through,
		open:  func(*trace.File) (mprog.Environment, error) { return t.Open() },
		run:   here,
		close: func() error { return errors.Join(t.Close(), restore()) },
	}, nil
}

// prepareKernel makes what the suite does cheaper for the running kernel, as far
// as it can. Without that it is slower, not wrong.
func prepareKernel() (restore func() error) {
	var undo []func() error
	for _, prepare := range []func() (func() error, error){kernel.ExpediteRCU, kernel.Warm} {
		if f, err := prepare(); err == nil {
			undo = append(undo, f)
		}
	}
	return func() error {
		var err error
		for _, f := range slices.Backward(undo) {
			err = errors.Join(err, f())
		}
		return err
	}
}

func isVM(name string) (image string, ok bool) { return strings.CutPrefix(name, vmPrefix) }
