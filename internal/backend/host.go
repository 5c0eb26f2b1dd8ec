package backend

import (
	"errors"
	"slices"

	"github.com/nkconform/nkconform/adapter/testee"
	"github.com/nkconform/nkconform/kernel"
	"github.com/nkconform/nkconform/mprog"
	"github.com/nkconform/nkconform/trace"
)

// host is the running kernel.
func host() (*Backend, error) {
	pool := &kernel.Pool{}
	env, err := pool.New() // says what is missing, if anything is
	if err != nil {
		return nil, err
	}
	if err := env.Shutdown(); err != nil {
		return nil, err
	}
	restore := prepareKernel()
	return &Backend{
		Name: "host", Kernel: Host(),
		New:   func(*trace.File) (mprog.Environment, error) { return pool.New() },
		Run:   pool.Run,
		Close: func() error { return errors.Join(pool.Close(), restore()) },
	}, nil
}

// through is the running kernel through another program.
func through(name string, command []string) (*Backend, error) {
	if len(command) == 0 {
		return nil, errors.New("backend testee: expected testee:CMD, a program and its arguments")
	}
	t, err := testee.New(command...)
	if err != nil {
		return nil, err
	}
	restore := prepareKernel()
	through := Host()
	through.Release += " through " + t.Name()
	return &Backend{
		Name: name, Kernel: through,
		New:   func(*trace.File) (mprog.Environment, error) { return t.Open() },
		Run:   here,
		Close: func() error { return errors.Join(t.Close(), restore()) },
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
