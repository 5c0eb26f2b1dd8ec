//go:build amd64 || arm64

package intercept

import (
	"encoding/binary"

	"golang.org/x/sys/unix"

	"github.com/nkconform/nkconform/intercept/notify"
)

// Looking up a thread's network namespace and capabilities takes longer than
// answering most calls. That they are other than at the beginning is learnt from
// the calls that change them, which the kernel then performs.

// wander answers unshare(2), setns(2) and clone(2).
func (s *supervisor) wander(c *notify.Call) {
	s.wanderers = true
	if uint32(c.Number) == unix.SYS_UNSHARE {
		s.leaving[c.TID] = s.caller(c).netnsInode()
	}
	_ = s.listener.Continue(c)
}

// wanderClone3 answers clone3(2), whose flags are in memory.
func (s *supervisor) wanderClone3(c *notify.Call) {
	var flags [8]byte
	if s.caller(c).Read(c.Args[0], flags[:]) == nil &&
		binary.NativeEndian.Uint64(flags[:])&unix.CLONE_NEWNET != 0 {
		s.wanderers = true
	}
	_ = s.listener.Continue(c)
}

// drop answers calls that may take capabilities away.
func (s *supervisor) drop(c *notify.Call) {
	s.dropped = true
	_ = s.listener.Continue(c)
}

// Netns is the inode of the caller's network namespace.
func (c *caller) Netns() uint64 {
	s := c.s
	if !s.wanderers {
		return s.home
	}
	now := c.netnsInode()
	if before, left := s.leaving[c.call.TID]; left {
		delete(s.leaving, c.call.TID)
		if now != before {
			// Just made: whatever is known of a namespace by that number, it was
			// another one, which is gone.
			s.forgetNetns(now)
		}
	}
	return now
}

func (c *caller) netnsInode() uint64 {
	var st unix.Stat_t
	if unix.Stat(c.proc("/ns/net"), &st) != nil {
		return c.s.home // the caller is gone
	}
	return st.Ino
}

// forgetNetns ends what is simulated of a namespace.
func (s *supervisor) forgetNetns(inode uint64) {
	s.rtnl.DropNetns(inode)
	s.sim.ForgetNetns(inode)
}
