package races

import (
	"github.com/nkconform/nkconform/explore"
	"github.com/nkconform/nkconform/mprog"
)

// DetachLast attaches a program behind all others for a while, and then detaches the last
// of the hook. That is another agent's by then, if one has attached meanwhile.
func DetachLast(ifindex uint32) func(mprog.Kernel) error {
	return visit(ifindex, func(uint32) uint32 { return 0 }) // names no program
}

// DetachOwn says which program it means.
func DetachOwn(ifindex uint32) func(mprog.Kernel) error {
	return visit(ifindex, func(prog uint32) uint32 { return prog })
}

func visit(ifindex uint32, named func(prog uint32) uint32) func(mprog.Kernel) error {
	return func(k mprog.Kernel) error {
		prog, err := explore.Load(k, "guest")
		if err != nil {
			return err
		}
		if err := attach(k, ifindex, prog, 0); err != nil {
			return err
		}
		if _, _, _, err := list(k, ifindex); err != nil {
			return err
		}
		return k.ProgDetach(mprog.DetachRequest{TargetIfindex: ifindex, AttachType: Primary, AttachFD: named(prog)})
	}
}
