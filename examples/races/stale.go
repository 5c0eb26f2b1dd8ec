package races

import (
	"github.com/nkconform/nkconform/explore"
	"github.com/nkconform/nkconform/mprog"
)

// AttachAnyway attaches where nobody is yet, of all agents that do so the first. When
// somebody was faster, ESTALE, it attaches all the same.
func AttachAnyway(ifindex uint32) func(mprog.Kernel) error {
	return func(k mprog.Kernel) error {
		prog, err := explore.Load(k, "leader")
		if err != nil {
			return err
		}
		progs, _, revision, err := list(k, ifindex)
		if err != nil || len(progs) > 0 {
			return err
		}
		err = attachAt(k, ifindex, prog, revision)
		if is(err, mprog.ESTALE) {
			err = attachAt(k, ifindex, prog, 0)
		}
		return err
	}
}

// LookAgain looks again when somebody was faster.
func LookAgain(ifindex uint32) func(mprog.Kernel) error {
	return func(k mprog.Kernel) error {
		prog, err := explore.Load(k, "leader")
		if err != nil {
			return err
		}
		for {
			progs, _, revision, err := list(k, ifindex)
			if err != nil || len(progs) > 0 {
				return err
			}
			if err := attachAt(k, ifindex, prog, revision); !is(err, mprog.ESTALE) {
				return err
			}
		}
	}
}

// attachAt attaches if the hook is as it was.
func attachAt(k mprog.Kernel, ifindex, prog uint32, revision uint64) error {
	return k.ProgAttach(mprog.AttachRequest{
		TargetIfindex: ifindex, AttachType: Primary, AttachFD: prog, ExpectedRevision: revision,
	})
}
