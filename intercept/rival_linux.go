//go:build amd64 || arm64

package intercept

import (
	"fmt"
	"slices"

	"github.com/nkconform/nkconform/fake"
	"github.com/nkconform/nkconform/intercept/sim"
	"github.com/nkconform/nkconform/mprog"
)

// faults are what is to happen at calls: that they fail, and that rivals act.
func (s *supervisor) faults() []sim.Fault {
	list := slices.Clone(s.options.Faults)
	for _, r := range s.options.Rivals {
		f := r.Calls
		f.Do = func() {
			err := r.Act(rival{s.kernel, s})
			if s.log != nil {
				fmt.Fprintf(s.log.out, "[rival] %s: acts in front of the next call\n", f.Text)
			}
			if err != nil {
				s.say(fmt.Sprintf("rival %s: %v", f.Text, err))
			}
		}
		list = append(list, f)
	}
	return list
}

// unfired warns of what never happened.
func (s *supervisor) unfired() bool {
	s.mu.Lock()
	list := s.sims[0].Unfired()
	s.mu.Unlock()
	for _, text := range list {
		s.say(text)
	}
	return len(list) > 0
}

// rival is the kernel as a rival has it: devices are the program's.
type rival struct {
	*fake.Kernel
	s *supervisor
}

// AddDevice finds a device that the program has made.
func (r rival) AddDevice(spec mprog.DeviceSpec) (ifindex, peer uint32, err error) {
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	d := r.s.rtnl.ByName(r.s.home, spec.Name)
	switch {
	case d == nil && spec.Name == "lo":
		return 1, 0, nil
	case d == nil:
		return 0, 0, fmt.Errorf("%w: the program has no device %s, and a rival makes none", mprog.ErrUnsupported, spec.Name)
	case d.Peer() == nil:
		return d.Index, 0, nil
	}
	return d.Index, d.Peer().Index, nil
}

// DeleteDevice deletes a device of the program's, and its peer.
func (r rival) DeleteDevice(ifindex uint32) error {
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	d := r.s.rtnl.ByIndex(r.s.home, ifindex)
	if d == nil {
		return &mprog.Error{Op: mprog.OpDeleteDevice, Errno: mprog.ENODEV}
	}
	r.s.rtnl.Delete(d)
	return nil
}

// MoveDevice is no rival's business.
func (rival) MoveDevice(uint32, mprog.Netns) (uint32, error) {
	return 0, fmt.Errorf("%s by a rival: %w", mprog.OpMoveDevice, mprog.ErrUnsupported)
}

// EndNetns is no rival's business.
func (rival) EndNetns(mprog.Netns) error {
	return fmt.Errorf("%s by a rival: %w", mprog.OpEndNetns, mprog.ErrUnsupported)
}
