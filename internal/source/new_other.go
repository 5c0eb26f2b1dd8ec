//go:build !linux

package source

import (
	"context"
	"errors"
	"runtime"

	"github.com/nkconform/nkconform/fake"
)

type code struct{ mutant int }

var errSystem = errors.New("the kernel's code can be loaded on Linux alone, and this is " + runtime.GOOS)

func build(context.Context, string, string, string) (string, error) { return "", errSystem }

func load(string) (*code, error) { return nil, errSystem }

// New is for Linux alone.
func (s *Source) New(...fake.Option) (*fake.Kernel, error) { return nil, errSystem }
