package main

import (
	"errors"
	"fmt"
	"strings"

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
	close  func() error // after the last environment
}

// vmPrefix begins the names of backends that are kernels to boot.
const vmPrefix = "vm:"

// localBackend returns the backend that a name stands for, of those that need
// no machine.
func localBackend(name string) (*backend, error) {
	if version, ok := strings.CutPrefix(name, "fake:"); ok {
		release, err := fake.ParseRelease(version)
		if err != nil {
			return nil, err
		}
		return fakeBackend(name, release), nil
	}
	switch name {
	case "fake":
		return fakeBackend(name, fake.Newest), nil
	case "host":
		return hostBackend()
	}
	return nil, fmt.Errorf("unknown backend %q: expected fake, fake:VERSION, host or vm:IMAGE", name)
}

func fakeBackend(name string, release fake.Release) *backend {
	return &backend{
		name: name, kernel: report.Kernel{Release: release.String(), Machine: "simulated"},
		open: func(f *trace.File) (mprog.Environment, error) {
			return fake.New(append(without(f), fake.Running(release))...), nil
		},
		close: func() error { return nil },
	}
}

// without are the options for a fake that lacks what a trace says that it must
// lack: the fake can be any kernel.
func without(f *trace.File) []fake.Option {
	var options []fake.Option
	for _, s := range f.Statements() {
		if s.Verb != "need" {
			continue
		}
		for _, word := range s.Operands {
			if feature, absent := trace.ParseNeed(word); absent {
				options = append(options, fake.Without(feature))
			}
		}
	}
	return options
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
	restore, err := kernel.ExpediteRCU()
	if err != nil { // slower, not wrong
		restore = func() error { return nil }
	}
	cool, err := kernel.Warm()
	if err != nil { // slower, not wrong
		cool = func() error { return nil }
	}
	return &backend{
		name: "host", kernel: hostKernel(),
		open:  func(*trace.File) (mprog.Environment, error) { return pool.New() },
		close: func() error { return errors.Join(pool.Close(), cool(), restore()) },
	}, nil
}

func isVM(name string) (image string, ok bool) { return strings.CutPrefix(name, vmPrefix) }
