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
	return nil, fmt.Errorf("%w: needs Linux, this is %s", ErrUnavailable, runtime.GOOS)
}

// ExpediteRCU returns an error that wraps [ErrUnavailable].
func ExpediteRCU() (restore func() error, err error) {
	return nil, fmt.Errorf("%w: needs Linux, this is %s", ErrUnavailable, runtime.GOOS)
}
