package kernel

import (
	"errors"

	"golang.org/x/sys/unix"

	"github.com/nkconform/nkconform/mprog"
)

// mprogErrno finds the system's errno in err.
func mprogErrno(err error) (mprog.Errno, bool) {
	errno, ok := errors.AsType[unix.Errno](err)
	return mprog.Errno(errno), ok
}
