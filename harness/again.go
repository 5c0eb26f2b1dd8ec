package harness

import (
	"context"
	"errors"
)

// MaxBoots is how often a kernel is to be booted that never says a word.
// Emulated machines hang now and then before that, and nothing has run yet.
const MaxBoots = 2

// WorthAnother says of a run that its boot was lost before the kernel said
// anything of itself. A kernel that panics has said something.
func WorthAnother(ctx context.Context, res Result, err error) bool {
	var noBoot *BootError
	started := res.Total > 0
	return errors.As(err, &noBoot) && started && len(res.KernelTrouble) == 0 && ctx.Err() == nil
}
