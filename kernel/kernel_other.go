//go:build !linux

package kernel

import (
	"fmt"
	"runtime"

	"github.com/nkconform/nkconform/mprog"
)

// Kernel exists on Linux only.
type Kernel struct{ mprog.Environment }

// New returns an error that wraps [ErrUnavailable].
func New() (*Kernel, error) {
	return nil, errNotLinux()
}

// Run returns an error that wraps [ErrUnavailable].
func (*Kernel) Run(func()) error { return errNotLinux() }

// Enter returns an error that wraps [ErrUnavailable].
func (*Kernel) Enter() error { return errNotLinux() }

// Warm returns an error that wraps [ErrUnavailable].
func Warm() (restore func() error, err error) { return nil, errNotLinux() }

// ExpediteRCU returns an error that wraps [ErrUnavailable].
func ExpediteRCU() (restore func() error, err error) {
	return nil, errNotLinux()
}

func errNotLinux() error {
	return fmt.Errorf("%w: needs Linux, this is %s", ErrUnavailable, runtime.GOOS)
}

// Pool exists on Linux only.
type Pool struct{}

// New returns an error that wraps [ErrUnavailable].
func (*Pool) New() (mprog.Environment, error) { return New() }

// Run returns an error that wraps [ErrUnavailable].
func (*Pool) Run(func()) error { return errNotLinux() }

// Close does nothing.
func (*Pool) Close() error { return nil }
