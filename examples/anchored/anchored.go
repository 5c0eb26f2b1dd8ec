// Package anchored is an agent whose unit tests run on the simulated kernel and
// leave traces, which real kernels then play: the proof that what the tests
// rely on is true.
package anchored

import (
	"errors"
	"fmt"

	"github.com/nkconform/nkconform/mprog"
)

// Upgrade puts a program in the place of an old one, or in front of all others
// when the old one is not attached any more.
func Upgrade(k mprog.Kernel, hook mprog.Hook, old, prog uint32) error {
	r := mprog.AttachRequest{
		TargetIfindex: hook.Ifindex, AttachType: hook.Type, AttachFD: prog,
		Flags: mprog.Replace, ReplaceFD: old,
	}
	err := k.ProgAttach(r)
	if errors.Is(err, mprog.ENOENT) {
		r.Flags, r.ReplaceFD = mprog.Before, 0
		err = k.ProgAttach(r)
	}
	if err != nil {
		return fmt.Errorf("upgrade: %w", err)
	}
	return nil
}
