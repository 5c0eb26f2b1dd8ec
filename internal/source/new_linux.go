package source

import (
	"slices"

	"github.com/nkconform/nkconform/fake"
)

// New makes a kernel that the code decides about. Options add to those of the source.
func (s *Source) New(options ...fake.Option) (*fake.Kernel, error) {
	m, err := s.code.newMachine()
	if err != nil {
		return nil, err
	}
	return fake.New(slices.Concat(s.options, options, []fake.Option{fake.DecidedBy(m)})...), nil
}
