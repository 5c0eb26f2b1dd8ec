//go:build amd64 || arm64

package intercept

import (
	"golang.org/x/sys/unix"

	"github.com/nkconform/nkconform/intercept/notify"
	"github.com/nkconform/nkconform/intercept/sim"
	"github.com/nkconform/nkconform/mprog"
)

// capSysResource is CAP_SYS_RESOURCE.
const capSysResource mprog.Capability = 24

// memlockRules are for the limit of locked memory, which agents raise for kernels
// before 5.11. An ordinary user cannot, though the program is root.
var memlockRules = []notify.Rule{
	{Number: unix.SYS_PRLIMIT64, When: []notify.Condition{{Arg: 1, Test: notify.Equal, Value: unix.RLIMIT_MEMLOCK}}},
	{Number: unix.SYS_SETRLIMIT, When: []notify.Condition{{Arg: 0, Test: notify.Equal, Value: unix.RLIMIT_MEMLOCK}}},
	{Number: unix.SYS_GETRLIMIT, When: []notify.Condition{{Arg: 0, Test: notify.Equal, Value: unix.RLIMIT_MEMLOCK}}},
}

const rlimitSize = 16 // sizeof(struct rlimit64)

// memlock answers prlimit64(2), setrlimit(2) and getrlimit(2) of RLIMIT_MEMLOCK. A
// limit that this user may not have is kept here, by process, and not the running
// kernel's.
func (s *supervisor) memlock(c *notify.Call) {
	who := s.caller(c)
	pid, set, get := uint32(0), uint64(0), uint64(0)
	switch c.Number {
	case unix.SYS_PRLIMIT64:
		pid, set, get = uint32(c.Args[0]), c.Args[2], c.Args[3]
	case unix.SYS_SETRLIMIT:
		set = c.Args[1]
	case unix.SYS_GETRLIMIT:
		get = c.Args[1]
	}
	if pid == 0 {
		pid = who.leader()
	}
	var real unix.Rlimit
	kept, have := s.limits[pid]
	if unix.Prlimit(int(pid), unix.RLIMIT_MEMLOCK, nil, &real) != nil || !inUserNamespace() && capable(capSysResource) || set == 0 && !have {
		_ = s.listener.Continue(c)
		return
	}
	now := real
	if have {
		now = kept
	}
	next := now
	var errno unix.Errno
	if set != 0 {
		var p [rlimitSize]byte
		if who.Read(set, p[:]) != nil {
			errno = unix.EFAULT
		}
		next = unix.Rlimit{Cur: native.Uint64(p[:]), Max: native.Uint64(p[8:])}
		switch {
		case errno != 0:
		case next.Cur > next.Max:
			errno = unix.EINVAL
		case next.Max > now.Max && !who.Capable(capSysResource):
			errno = unix.EPERM
		}
	}
	if errno == 0 && get != 0 {
		old := native.AppendUint64(native.AppendUint64(nil, now.Cur), now.Max)
		if who.Write(sim.Segment{Address: get, Data: old}) != nil {
			errno = unix.EFAULT
		}
	}
	if errno == 0 && set != 0 {
		s.limit(pid, next, real)
	}
	_ = s.listener.Answer(c, 0, errno)
	if s.log != nil && set != 0 {
		answer := "0"
		if errno != 0 {
			answer = "-1 " + unix.ErrnoName(errno)
		}
		s.log.line(c, "setrlimit(RLIMIT_MEMLOCK)", answer)
	}
}

// limit sets a process's limit, as far as this user may.
func (s *supervisor) limit(pid uint32, next, real unix.Rlimit) {
	allowed := unix.Rlimit{Cur: min(next.Cur, real.Max), Max: real.Max}
	_ = unix.Prlimit(int(pid), unix.RLIMIT_MEMLOCK, &allowed, nil)
	s.limits[pid] = next
	if next.Max > real.Max {
		s.warn("RLIMIT_MEMLOCK: raised for BPF alone: an ordinary user locks no more memory than before")
	}
}
