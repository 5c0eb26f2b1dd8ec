// Package backend turns the name of what answers system calls into what makes
// environments: the one place that knows which names there are.
package backend

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/nkconform/nkconform/fake"
	"github.com/nkconform/nkconform/internal/source"
	"github.com/nkconform/nkconform/mprog"
	"github.com/nkconform/nkconform/report"
	"github.com/nkconform/nkconform/trace"
)

// Backend makes environments in this process.
type Backend struct {
	Name   string
	Kernel report.Kernel
	// Fake is set where the kernel is simulated, and can be made like any other.
	Fake bool
	// New makes an environment for a trace: a fake lacks what the trace says that
	// it must lack.
	New func(*trace.File) (mprog.Environment, error)
	// Run runs a function that makes environments, where that is cheap.
	Run func(func()) error
	// Close is for when the last environment is shut down.
	Close func() error
}

// Prefixes of names, which go on with a version, an image or a command.
const (
	FakePrefix   = "fake:"
	VMPrefix     = "vm:"
	umlPrefix    = "uml:"
	testeePrefix = "testee:"
	SourcePrefix = "source:"
)

// Names is what a flag says that takes any name.
const Names = "fake, host, source:SOURCE, testee:CMD or vm:IMAGE"

// Name is the name of a backend, which of the fake tells its version; "" is none.
func Name(backend, version string) (string, error) {
	switch {
	case strings.HasPrefix(backend, FakePrefix):
		return "", fmt.Errorf("unknown backend %q: expected fake, and the version as --kernel %s", backend, strings.TrimPrefix(backend, FakePrefix))
	case version == "":
		return backend, nil
	case backend != "fake":
		return "", fmt.Errorf("--kernel %s is a version to simulate, and the backend is %s: expected fake", version, backend)
	}
	return FakePrefix + version, nil
}

// Image returns the image of a name that stands for a kernel to boot, in which the
// backend is host.
func Image(name string) (image string, ok bool) {
	if strings.HasPrefix(name, umlPrefix) {
		return name, true
	}
	return strings.CutPrefix(name, VMPrefix)
}

// Open returns the backend that a name stands for, of those that need no machine. What takes
// long is told on progress, which may be nil.
func Open(ctx context.Context, name string, progress io.Writer) (*Backend, error) {
	if version, ok := strings.CutPrefix(name, FakePrefix); ok {
		release, err := fake.ParseRelease(version)
		if err != nil {
			return nil, err
		}
		return simulated(name, release), nil
	}
	if command, ok := strings.CutPrefix(name, testeePrefix); ok {
		return through(name, strings.Fields(command))
	}
	if ref, ok := strings.CutPrefix(name, SourcePrefix); ok {
		return ofSource(ctx, name, ref, progress)
	}
	switch name {
	case "fake":
		return simulated(name, fake.Newest), nil
	case "host":
		return host()
	}
	return nil, fmt.Errorf("unknown backend %q: expected %s", name, Names)
}

func simulated(name string, release fake.Release) *Backend {
	return &Backend{
		Name: name, Kernel: report.Kernel{Release: release.Known().String(), Machine: report.Simulated}, Fake: true,
		New: func(f *trace.File) (mprog.Environment, error) {
			return fake.New(append(fake.Lacking(f), fake.Running(release))...), nil
		},
		Run:   here,
		Close: func() error { return nil },
	}
}

// ofSource is a kernel's own code.
func ofSource(ctx context.Context, name, ref string, progress io.Writer) (*Backend, error) {
	s, err := source.Open(ctx, ref, progress)
	if err != nil {
		return nil, err
	}
	return &Backend{
		Name: name, Kernel: report.Kernel{Release: s.Release, Machine: "source"},
		New:   func(*trace.File) (mprog.Environment, error) { return s.New() },
		Run:   here,
		Close: func() error { return nil },
	}, nil
}

// here runs a function.
func here(f func()) error {
	f()
	return nil
}

// Alike returns options for a fake that is to be compared with the backends: it is
// the release of the kernel among them, if that is known, and lacks what one of
// them lacks.
func Alike(backends ...*Backend) ([]fake.Option, error) {
	var options []fake.Option
	for _, b := range backends {
		if b.Fake {
			continue
		}
		if r, err := fake.ParseRelease(b.Kernel.Release); err == nil {
			options = append(options, fake.Running(r))
		}
		env, err := b.New(&trace.File{})
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
