package notify

import "errors"

// ErrUnavailable is wrapped by every error that says why calls cannot be
// answered on this machine, and what to do about it.
var ErrUnavailable = errors.New("system calls cannot be intercepted here")
