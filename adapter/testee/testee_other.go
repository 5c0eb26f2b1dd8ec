//go:build !linux

package testee

import (
	"github.com/nkconform/nkconform/kernel"
	"github.com/nkconform/nkconform/mprog"
)

// Testee exists on Linux only.
type Testee struct{}

// New returns an error that wraps [kernel.ErrUnavailable].
func New(...string) (*Testee, error) {
	_, err := kernel.New()
	return nil, err
}

// Name returns "".
func (*Testee) Name() string { return "" }

// Open is never called, as there is no Testee.
func (*Testee) Open() (mprog.Environment, error) { return kernel.New() }

// Close does nothing.
func (*Testee) Close() error { return nil }
