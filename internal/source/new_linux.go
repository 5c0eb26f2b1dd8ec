package source

import (
	"context"
	"fmt"
	"runtime"
	"slices"

	"github.com/nkconform/nkconform/fake"
)

// compiled compiles a text and loads it.
func compiled(ctx context.Context, cache, text string) (*code, error) {
	if runtime.GOARCH != "amd64" {
		return nil, fmt.Errorf("the kernel's code can be loaded on amd64 alone, and this is %s", runtime.GOARCH)
	}
	path, err := build(ctx, cache, text)
	if err != nil {
		return nil, err
	}
	return load(path)
}

// New makes a kernel that the code decides about. Options add to those of the source.
func (s *Source) New(options ...fake.Option) (*fake.Kernel, error) {
	m, err := s.code.newMachine()
	if err != nil {
		return nil, err
	}
	return fake.New(slices.Concat(s.options, options, []fake.Option{fake.DecidedBy(m)})...), nil
}
