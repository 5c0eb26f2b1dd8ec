package races

import (
	"errors"

	"github.com/nkconform/nkconform/explore"
	"github.com/nkconform/nkconform/mprog"
)

// AdoptLast attaches a program that may be attached already, and brings what is attached up
// to date. On EEXIST it takes the last program of the hook for its own, as the newest:
// which is another agent's, if that has attached since.
func AdoptLast(ifindex, prog uint32) func(mprog.Kernel) error {
	return renew(ifindex, prog, func(progs []uint32, _ uint32) int { return len(progs) - 1 })
}

// AdoptOwn looks for its own program in the list.
func AdoptOwn(ifindex, prog uint32) func(mprog.Kernel) error {
	return renew(ifindex, prog, func(progs []uint32, own uint32) int {
		for i, id := range progs {
			if id == own {
				return i
			}
		}
		return -1
	})
}

func renew(ifindex, prog uint32, which func(progs []uint32, own uint32) int) func(mprog.Kernel) error {
	return func(k mprog.Kernel) error {
		_, err := k.LinkCreate(mprog.LinkCreateRequest{ProgFD: prog, TargetIfindex: ifindex, AttachType: Primary})
		if !is(err, mprog.EEXIST) {
			return err
		}
		info, err := k.ObjectInfo(prog)
		if err != nil {
			return err
		}
		progs, links, _, err := list(k, ifindex)
		if err != nil {
			return err
		}
		i := which(progs, info.ID)
		if i < 0 || links[i] == 0 {
			return errors.New("attached by nobody, or without a link")
		}
		link, err := k.LinkFDByID(mprog.IDRequest{ID: links[i]})
		if err != nil {
			return err
		}
		newer, err := explore.Load(k, "newer")
		if err != nil {
			return err
		}
		return k.LinkUpdate(mprog.LinkUpdateRequest{LinkFD: link, NewProgFD: newer})
	}
}

// LinkedBystander attaches a program of its own by a link behind all others.
func LinkedBystander(ifindex uint32) func(mprog.Kernel) error {
	return func(k mprog.Kernel) error {
		prog, err := explore.Load(k, "theirs")
		if err != nil {
			return err
		}
		_, err = k.LinkCreate(mprog.LinkCreateRequest{ProgFD: prog, TargetIfindex: ifindex, AttachType: Primary})
		return err
	}
}
