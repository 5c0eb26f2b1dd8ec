//go:build amd64 || arm64

package intercept

import (
	"errors"

	"golang.org/x/sys/unix"

	"github.com/nkconform/nkconform/intercept/notify"
	"github.com/nkconform/nkconform/intercept/sim"
	"github.com/nkconform/nkconform/mprog"
)

// bpf answers bpf(2). No path continues the call in the kernel.
func (s *supervisor) bpf(c *notify.Call) {
	if s.tests != nil && s.tests.fromInjection(c) {
		_ = s.listener.Answer(c, 0, unix.EDEADLK)
		s.tests.complain("what Before and After do has made a call of bpf(2) by itself, which fails with EDEADLK: " +
			"it must not call the code under test; let it act through its kernel, by fake.Rival")
		return
	}
	who := &s.asking
	*who = caller{s: s, call: c, mem: notify.Memory{TID: c.TID}, looks: sim.Looks(uint32(c.Args[0]))}
	if len(s.leaving) > 0 {
		who.arrive()
	}
	if len(s.filtered) > 0 {
		s.closedSockets()
	}
	which := s.sim
	if s.options.Parallel {
		if which = s.belongs(who); which == nil {
			_ = s.listener.Answer(c, 0, unix.EPERM)
			return
		}
	}
	a := which.BPFCommon(who, uint32(c.Args[0]), c.Args[1], uint32(c.Args[2]), c.Args[3], uint32(c.Args[4]))
	if a.Hooked != 0 && s.rtnl.ByIndex(who.Netns(), a.Hooked) == nil {
		s.wires.tether(who.Netns(), a.Hooked, func() (int, error) {
			return unix.Open(who.proc("/ns/net"), unix.O_RDONLY|unix.O_CLOEXEC, 0)
		})
	}
	if a.New != nil {
		a.Value, a.Errno = s.give(c, a.New)
	} else {
		_ = s.listener.Answer(c, a.Value, unix.Errno(a.Errno))
	}
	if s.log != nil {
		s.log.bpf(c, &a)
	}
}

// give answers a call with a new fd of an object, or undoes what made the
// object.
func (s *supervisor) give(c *notify.Call, o *sim.Object) (number int64, errno mprog.Errno) {
	n, err := s.files.inject(s.listener, c, o)
	if err == nil {
		return int64(n), 0
	}
	o.Close()
	failure := unix.ENOMEM
	errors.As(err, &failure)
	_ = s.listener.Answer(c, 0, failure)
	return 0, mprog.Errno(failure)
}
