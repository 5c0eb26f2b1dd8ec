//go:build !linux || (!amd64 && !arm64)

package intercept

import (
	"errors"
	"fmt"
	"runtime"
)

// ErrUnavailable is wrapped by every error that says why calls cannot be
// intercepted on this machine.
var ErrUnavailable = errors.New("system calls cannot be intercepted here")

// Run fails on this system.
func Run(Options, []string, string, ...string) (status int, err error) {
	return 0, fmt.Errorf("%w: it takes Linux on amd64 or arm64, not %s on %s", ErrUnavailable, runtime.GOOS, runtime.GOARCH)
}
