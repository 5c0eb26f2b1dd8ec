package kernel

import (
	"fmt"

	"github.com/nkconform/nkconform/mprog"
	"github.com/nkconform/nkconform/mprog/attr"
)

// shelf keeps mute programs for the next users of an environment.
type shelf struct {
	keeper *thread            // has the descriptors, in a table of its own; nil without programs
	ids    map[int32][]uint32 // by what they return
	taken  map[int32]int      // by the present user
}

// fromShelf opens a mute program that the present user has not had yet, on the
// first process's thread.
func (k *Kernel) fromShelf(spec mprog.ProgSpec) (fd int, err error) {
	s := &k.shelf
	if s.keeper == nil {
		if err := s.open(); err != nil {
			return -1, fmt.Errorf("keep programs: %v", err)
		}
	}
	if s.taken[spec.Return] == len(s.ids[spec.Return]) {
		s.keeper.do(func() { err = k.addToShelf(spec) })
		if err != nil {
			return -1, err
		}
	}
	id := s.ids[spec.Return][s.taken[spec.Return]]
	fd, err = k.raw(attr.ProgGetFDByID, attr.EncodeFDByID(&k.attr, mprog.IDRequest{ID: id}))
	if err != nil {
		return -1, fmt.Errorf("open a program that has been loaded before: %v", err)
	}
	s.taken[spec.Return]++
	return fd, nil
}

// addToShelf loads a program on the keeper's thread, where it stays open.
func (k *Kernel) addToShelf(spec mprog.ProgSpec) error {
	fd, err := load(mprog.SchedCLS, spec.Name, constant(spec.Return))
	if err != nil {
		return err
	}
	id, err := k.objectID(fd)
	if err != nil {
		_ = closeFD(uint32(fd))
		return err
	}
	k.shelf.ids[spec.Return] = append(k.shelf.ids[spec.Return], id)
	return nil
}

func (s *shelf) open() (err error) {
	s.ids, s.taken = map[int32][]uint32{}, map[int32]int{}
	s.keeper, err = startThread(func() error {
		_, err := unshareFDs()
		return err
	})
	return err
}

// rearrange is for the next user.
func (s *shelf) rearrange() { clear(s.taken) }

func (s *shelf) close() {
	if s.keeper != nil {
		s.keeper.stop()
	}
	*s = shelf{}
}
