// Package kernel is the running Linux kernel as an [mprog.Environment]: raw
// bpf(2), with nothing checked, translated or filtered in front of it.
//
// An environment is a thread of its own with a network namespace and a table of
// file descriptors of its own. Nothing has a name outside of the thread, so that
// nothing is left when the program dies, not even by SIGKILL.
//
// Each detach waits for a grace period of RCU, tens of milliseconds on an idle
// machine; see [ExpediteRCU].
package kernel

import (
	"errors"

	"github.com/nkconform/nkconform/mprog"
)

// ErrUnavailable is wrapped by the errors of [New] and [ExpediteRCU] on a machine
// that cannot do what they need: another system than Linux, a missing
// capability, or a filter in front of bpf(2). The message says what is missing.
var ErrUnavailable = errors.New("kernel unavailable")

var _ mprog.Environment = (*Kernel)(nil)
