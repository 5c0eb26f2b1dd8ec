package kernel

import (
	"fmt"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/nkconform/nkconform/mprog"
)

// shelf keeps mute programs for the next users of an environment: their descriptors
// are left open, at numbers above those that are handed out.
type shelf struct {
	fds   map[int32][]int // by what the programs return
	taken map[int32]int   // of these, by the present user
	size  int             // numbers in use, those of closed ones included
}

// fromShelf returns the descriptor of a mute program that the present user has not had
// yet, or -1 when the shelf is full. It runs on the first process's thread.
func (k *Kernel) fromShelf(spec mprog.ProgSpec) (fd int, err error) {
	s, kept := &k.shelf, k.shelf.fds[spec.Return]
	if n := s.taken[spec.Return]; n < len(kept) {
		fd = kept[n]
	} else if s.size == shelfRoom {
		return -1, nil
	} else if fd, err = k.addToShelf(spec); err != nil {
		return -1, err
	}
	s.taken[spec.Return]++
	k.fds.kinds[fd] = "prog"
	return fd, nil
}

func (k *Kernel) addToShelf(spec mprog.ProgSpec) (number int, err error) {
	s := &k.shelf
	if s.fds == nil {
		s.fds, s.taken = map[int32][]int{}, map[int32]int{}
	}
	fd, err := load(mprog.ProgSpec{Type: mprog.SchedCLS, Name: spec.Name}, constant(spec.Return))
	if err != nil {
		return -1, err
	}
	defer unix.Close(fd)
	number = k.fds.limit + s.size
	if err := unix.Dup3(fd, number, unix.O_CLOEXEC); err != nil {
		return -1, fmt.Errorf("keep a program: %v", err)
	}
	s.size++
	s.fds[spec.Return] = append(s.fds[spec.Return], number)
	return number, nil
}

// rearrange is for the next user. Programs that the last one has closed are gone; open
// is what has been open at the end.
func (s *shelf) rearrange(open map[int]string) {
	for ret, n := range s.taken {
		kept := s.fds[ret]
		for i := n - 1; i >= 0; i-- {
			if _, ok := open[kept[i]]; !ok {
				kept = slices.Delete(kept, i, i+1)
			}
		}
		s.fds[ret] = kept
	}
	clear(s.taken)
}
