package races

import (
	"github.com/nkconform/nkconform/explore"
	"github.com/nkconform/nkconform/mprog"
)

// RemoveThenAdd moves a policy from a netkit hook to the tcx hook of the same device:
// it removes the old program, then adds the new one. In between there is no policy, for
// good if it is killed.
func RemoveThenAdd(ifindex, old uint32) func(mprog.Kernel) error {
	return func(k mprog.Kernel) error {
		prog, err := explore.Load(k, "policy")
		if err != nil {
			return err
		}
		if err := remove(k, ifindex, old); err != nil {
			return err
		}
		return add(k, ifindex, prog)
	}
}

// AddThenRemove adds the new one first. When it was killed in between, the new one may be
// there already: one more does no harm.
func AddThenRemove(ifindex, old uint32) func(mprog.Kernel) error {
	return func(k mprog.Kernel) error {
		prog, err := explore.Load(k, "policy")
		if err != nil {
			return err
		}
		if err := add(k, ifindex, prog); err != nil {
			return err
		}
		return remove(k, ifindex, old)
	}
}

func add(k mprog.Kernel, ifindex, prog uint32) error {
	return k.ProgAttach(mprog.AttachRequest{TargetIfindex: ifindex, AttachType: mprog.TCXEgress, AttachFD: prog})
}

// remove takes the old program away, unless that was done before.
func remove(k mprog.Kernel, ifindex, old uint32) error {
	err := k.ProgDetach(mprog.DetachRequest{TargetIfindex: ifindex, AttachType: Primary, AttachFD: old})
	if is(err, mprog.ENOENT) {
		return nil
	}
	return err
}
