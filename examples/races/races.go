// Package races has agents with the bugs that agents of this field have, each of which
// shows only at a certain moment, and beside each how it is done right. The tests
// explore them: package explore finds the moment.
package races

import (
	"errors"

	"github.com/nkconform/nkconform/explore"
	"github.com/nkconform/nkconform/mprog"
)

// Primary is the hook that the agents share.
const Primary = mprog.NetkitPrimary

// attach attaches a program to the hook of a device.
func attach(k mprog.Kernel, ifindex, prog uint32, flags mprog.Flags) error {
	return k.ProgAttach(mprog.AttachRequest{TargetIfindex: ifindex, AttachType: Primary, AttachFD: prog, Flags: flags})
}

// list asks for the ids of the programs and links on a hook, and its revision.
func list(k mprog.Kernel, ifindex uint32) (progs, links []uint32, revision uint64, err error) {
	q := mprog.QueryRequest{
		TargetIfindex: ifindex, AttachType: Primary, Count: 8, ProgIDs: make([]uint32, 8), LinkIDs: make([]uint32, 8),
	}
	res, err := k.ProgQuery(q)
	return q.ProgIDs[:res.Count], q.LinkIDs[:res.Count], res.Revision, err
}

// Bystander attaches a program of its own behind all others, and is done.
func Bystander(ifindex uint32) func(mprog.Kernel) error {
	return func(k mprog.Kernel) error {
		prog, err := explore.Load(k, "theirs")
		if err != nil {
			return err
		}
		return attach(k, ifindex, prog, 0)
	}
}

// is reports whether an error is one of a kernel's.
func is(err error, errno mprog.Errno) bool { return errors.Is(err, errno) }
