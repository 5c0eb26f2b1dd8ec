package mprog_test

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"syscall"
	"testing"

	"github.com/nkconform/nkconform/mprog"
)

func TestErrnoOf(t *testing.T) {
	for _, tc := range []struct {
		err  error
		want mprog.Errno
		ok   bool
	}{
		{nil, 0, true},
		{mprog.ESTALE, mprog.ESTALE, true},
		{&mprog.Error{Op: mprog.OpProgAttach, Errno: mprog.ESTALE}, mprog.ESTALE, true},
		{syscall.ESTALE, mprog.ESTALE, true}, // 70 on macOS
		{fmt.Errorf("attach: %w", &fs.PathError{Op: "bpf", Err: syscall.EEXIST}), mprog.EEXIST, true},
		{syscall.Errno(mprog.ENOTSUPP), mprog.ENOTSUPP, true}, // no system has a name for it
		{fmt.Errorf("%w, then %w", mprog.EBUSY, syscall.EIO), mprog.EBUSY, true},
		{io.EOF, 0, false},
		{syscall.Errno(0), 0, false},
	} {
		if got, ok := mprog.ErrnoOf(tc.err); got != tc.want || ok != tc.ok {
			t.Errorf("%v: got %v, %v, want %v, %v", tc.err, got, ok, tc.want, tc.ok)
		}
	}
}

// An errno is the system's of the same name, in both directions.
func TestErrnoIsTheSystems(t *testing.T) {
	for _, e := range []syscall.Errno{syscall.ENOENT, syscall.ESTALE, syscall.EAGAIN, syscall.ERANGE, syscall.EOPNOTSUPP} {
		got, ok := mprog.ErrnoOf(e)
		if !ok || !errors.Is(got, e) {
			t.Errorf("%v became %v", e, got)
		}
	}
}
