package races

import (
	"github.com/nkconform/nkconform/explore"
	"github.com/nkconform/nkconform/mprog"
)

// pinned is where an agent finds its program when it is started again.
const pinned = mprog.BPFFS + "/mine"

// CreateThenPin attaches a program, and then pins it, so that it finds it when it is
// started again. Killed in between, it is attached and does not know: it attaches
// another one.
func CreateThenPin(ifindex uint32) func(mprog.Kernel) error {
	return func(k mprog.Kernel) error {
		if fd, err := k.ObjGet(mprog.GetRequest{Path: pinned}); err == nil {
			return k.Close(fd) // it is attached already
		}
		prog, err := explore.Load(k, "mine")
		if err != nil {
			return err
		}
		if err := attach(k, ifindex, prog, 0); err != nil {
			return err
		}
		return k.ObjPin(mprog.PinRequest{FD: prog, Path: pinned})
	}
}

// PinThenAttach pins the program first. What it finds pinned it attaches, and that it is
// attached already is no mistake.
func PinThenAttach(ifindex uint32) func(mprog.Kernel) error {
	return func(k mprog.Kernel) error {
		prog, err := k.ObjGet(mprog.GetRequest{Path: pinned})
		if err != nil {
			if prog, err = explore.Load(k, "mine"); err != nil {
				return err
			}
			if err := k.ObjPin(mprog.PinRequest{FD: prog, Path: pinned}); err != nil {
				return err
			}
		}
		if err := attach(k, ifindex, prog, 0); !is(err, mprog.EEXIST) {
			return err
		}
		return nil
	}
}
