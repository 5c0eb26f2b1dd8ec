//go:build !linux

package source

import (
	"context"
	"errors"
	"runtime"

	"github.com/nkconform/nkconform/fake"
)

type code struct{}

func compiled(context.Context, string, string) (*code, error) {
	return nil, errors.New("the kernel's code can be loaded on Linux alone, and this is " + runtime.GOOS)
}

// New is for Linux alone.
func (s *Source) New(...fake.Option) (*fake.Kernel, error) { return nil, errors.ErrUnsupported }
