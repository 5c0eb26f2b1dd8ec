package kernel

import (
	"errors"
	"fmt"

	"github.com/nkconform/nkconform/mprog"
)

// Warm makes tcx fast until restore is called: the first program and the last one
// on all hooks of the machine switch tcx on and off, which patches the kernel's
// code and takes many times as long as an attachment. Warm keeps a program on a
// hook of an environment of its own. On a kernel without tcx it does nothing.
func Warm() (restore func() error, err error) {
	k, err := New()
	if err != nil {
		return nil, err
	}
	for _, hook := range []mprog.AttachType{mprog.TCXIngress, mprog.TCXEgress} {
		err := k.tryAttach(loopback, hook)
		if err != nil && !errors.Is(err, mprog.ErrUnsupported) {
			return nil, errors.Join(fmt.Errorf("warm up tcx: %w", err), k.Shutdown())
		}
	}
	return k.Shutdown, nil
}
