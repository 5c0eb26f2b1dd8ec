package races

import (
	"github.com/nkconform/nkconform/explore"
	"github.com/nkconform/nkconform/mprog"
)

// InsistOnFirst attaches a program in front of all others, and looks whether it has stayed
// there; if not, it moves it there again. Two such agents may never come to an end.
func InsistOnFirst(ifindex uint32, name string) func(mprog.Kernel) error {
	return insist(ifindex, name, func(progs []uint32, own uint32) bool { return progs[0] == own })
}

// SettleForPlace is content with being there, once it has been first.
func SettleForPlace(ifindex uint32, name string) func(mprog.Kernel) error {
	return insist(ifindex, name, func(progs []uint32, own uint32) bool {
		for _, id := range progs {
			if id == own {
				return true
			}
		}
		return false
	})
}

func insist(ifindex uint32, name string, content func(progs []uint32, own uint32) bool) func(mprog.Kernel) error {
	return func(k mprog.Kernel) error {
		prog, err := explore.Load(k, name)
		if err != nil {
			return err
		}
		info, err := k.ObjectInfo(prog)
		if err != nil {
			return err
		}
		for {
			if err := attach(k, ifindex, prog, mprog.Before); err != nil {
				return err
			}
			progs, _, _, err := list(k, ifindex)
			if err != nil || content(progs, info.ID) {
				return err
			}
			err = k.ProgDetach(mprog.DetachRequest{TargetIfindex: ifindex, AttachType: Primary, AttachFD: prog})
			if err != nil {
				return err
			}
		}
	}
}
