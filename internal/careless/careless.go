// Package careless is a library that makes two mistakes, for tests of what is told
// about it.
package careless

import (
	"github.com/nkconform/nkconform/fake"
	"github.com/nkconform/nkconform/mprog"
)

// Library attaches on a fake. It drops the flags when it detaches, and mixes up
// relative_fd and relative_id when it attaches.
type Library struct{ *fake.Kernel }

// New returns the library on a fake of its own.
func New(options ...fake.Option) Library { return Library{fake.New(options...)} }

// ProgDetach drops the flags.
func (l Library) ProgDetach(r mprog.DetachRequest) error {
	r.Flags = 0
	return l.Kernel.ProgDetach(r)
}

// ProgAttach mixes up relative_fd and relative_id.
func (l Library) ProgAttach(r mprog.AttachRequest) error {
	r.Flags = mixUp(r.Flags, r.Relative)
	return l.Kernel.ProgAttach(r)
}

// LinkCreate mixes up relative_fd and relative_id.
func (l Library) LinkCreate(r mprog.LinkCreateRequest) (uint32, error) {
	r.Flags = mixUp(r.Flags, r.Relative)
	return l.Kernel.LinkCreate(r)
}

func mixUp(f mprog.Flags, relative uint32) mprog.Flags {
	if relative == 0 {
		return f
	}
	return f ^ mprog.ID
}
