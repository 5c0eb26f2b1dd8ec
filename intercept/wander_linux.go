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

// departure is a thread's wish for a new network namespace.
type departure struct {
	before uint64 // where the thread was
	when   int    // see supervisor.moves
}

// wander answers unshare(2), setns(2) and clone(2).
func (s *supervisor) wander(c *notify.Call) {
	who := s.caller(c) // who has arrived by now where it went before
	s.nest(c)
	s.wanderers = true
	if s.options.Parallel {
		s.origins[c.TID] = who.netnsInode()
	}
	if uint32(c.Number) == unix.SYS_UNSHARE {
		s.moves++
		s.leaving[c.TID] = departure{who.netnsInode(), s.moves}
	}
	_ = s.listener.Continue(c)
}

// wanderClone3 answers clone3(2), whose flags are in memory.
func (s *supervisor) wanderClone3(c *notify.Call) {
	var flags [8]byte
	if s.caller(c).Read(c.Args[0], flags[:]) == nil {
		of := binary.NativeEndian.Uint64(flags[:])
		s.wanderers = s.wanderers || of&unix.CLONE_NEWNET != 0
		s.nests = s.nests || of&unix.CLONE_NEWUSER != 0
	}
	_ = s.listener.Continue(c)
}

// nest notes that a thread may be in another user namespace from now on.
func (s *supervisor) nest(c *notify.Call) {
	flags := c.Args[0]
	if uint32(c.Number) == unix.SYS_SETNS {
		flags = c.Args[1]
		if flags == 0 { // of any kind
			flags = unix.CLONE_NEWUSER
		}
	}
	s.nests = s.nests || flags&unix.CLONE_NEWUSER != 0
}

// drop answers calls that may take capabilities away.
func (s *supervisor) drop(c *notify.Call) {
	s.dropped = true
	_ = s.listener.Continue(c)
}

// Thread is the calling thread.
func (c *caller) Thread() uint32 { return c.call.TID }

// Netns is the inode of the caller's network namespace.
func (c *caller) Netns() uint64 {
	if !c.s.wanderers {
		return c.s.home
	}
	inode := c.netnsInode()
	if _, known := c.s.seen[inode]; !known {
		c.s.seen[inode] = c.s.moves
	}
	return inode
}

// arrive looks where a thread is that asked for a new namespace. If its number
// was known before, then of another one, which is gone.
func (c *caller) arrive() {
	left, ok := c.s.leaving[c.call.TID]
	if !ok {
		return
	}
	delete(c.s.leaving, c.call.TID)
	now := c.netnsInode()
	if when, known := c.s.seen[now]; known && when < left.when && now != left.before && now != c.s.home {
		c.s.forgetNetns(now)
	}
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
	delete(s.seen, inode)
	s.at(inode).RecordEnd(inode)
	s.rtnl.DropNetns(inode)
	s.at(inode).ForgetNetns(inode)
	s.worlds.Delete(inode)
}
