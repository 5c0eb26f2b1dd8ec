package libbpf

import (
	"fmt"
	"slices"

	"github.com/nkconform/nkconform/mprog"
)

// Size is the head of every struct of options.
type Size struct {
	// Sz is the struct's size in bytes as its user knows it.
	Sz uint64
	// Tail is what lies behind the fields that are known here, as in a program
	// built against a later libbpf. It counts as far as Sz reaches.
	Tail []byte
}

func (s *Size) setSize(sz uint64) {
	if s.Sz == 0 {
		s.Sz = sz
	}
}

// Opts returns options with their size filled in, unless it is set already.
func Opts[T any, P interface {
	*T
	size() uint64
	setSize(uint64)
}](opts T) *T {
	p := P(&opts)
	p.setSize(p.size())
	return &opts
}

// sizeT is the size of size_t, which is what a struct of options has at least.
const sizeT = 8

// check refuses a size that is too small, and bytes behind the known ones that
// are not zero.
func (s *Size) check(op mprog.Op, known uint64) error {
	if s.Sz < sizeT {
		return refuse(op, "opts.sz %d is too small", s.Sz)
	}
	return s.zero(op, known)
}

// zero refuses bytes behind an offset that are not zero.
func (s *Size) zero(op mprog.Op, known uint64) error {
	if s.Sz <= known {
		return nil
	}
	tail := s.Tail[:min(s.Sz-known, uint64(len(s.Tail)))]
	if i := slices.IndexFunc(tail, func(b byte) bool { return b != 0 }); i >= 0 {
		return refuse(op, "opts.sz is %d, and byte %d is not zero", s.Sz, known+uint64(i))
	}
	return nil
}

// get returns a field that ends at an offset, or 0 when that is behind the size.
func get[T any](s Size, end uint64, field T) T {
	var absent T
	if s.Sz < end {
		return absent
	}
	return field
}

// refuse is libbpf's own EINVAL.
func refuse(op mprog.Op, format string, args ...any) error {
	return &mprog.Error{Op: "libbpf " + op, Errno: mprog.EINVAL, Detail: fmt.Sprintf(format, args...)}
}

// relative returns flags and the relative object of a request: an id adds the
// flag that says so. An fd and an id together are refused.
func relative(op mprog.Op, flags mprog.Flags, fd, id uint32) (mprog.Flags, uint32, error) {
	switch {
	case fd != 0 && id != 0:
		return 0, 0, refuse(op, "relative_fd %d and relative_id %d are both set", fd, id)
	case id != 0:
		return flags | mprog.ID, id, nil
	}
	return flags, fd, nil
}
