package machine

import "slices"

// Task is the thread that is on the processor while a program runs, as far as
// programs see it.
type Task struct {
	PID, TGID uint32
	UID, GID  uint32
	Name      string   // comm
	Cgroups   []uint64 // ids of its cgroup (version 2) and those above it, from the root on; nil: not known
	Started   uint64   // when its id was taken, in ticks (starttime of proc_pid_stat(5)), 0: not known
	// Memory reads the front of p from an address of the task's on, as far as there is
	// something; nil: that is not known.
	Memory func(address uint64, p []byte) (n int)
}

// Owner tells the task from all others, also from later ones with the same id.
func (t *Task) Owner() uint64 { return uint64(t.PID)<<32 | uint64(uint32(t.Started)) }

const commSize = 16 // TASK_COMM_LEN

// ofTask is a helper that wants to know who is on the processor: who makes a test run,
// or sends a packet by itself. Of others nothing is known.
func ofTask(f func(*run, *Task) (uint64, error)) helper {
	return func(m *run) (uint64, error) {
		if m.packet.Task == nil {
			return 0, ErrUnknown
		}
		t := m.packet.Task()
		if t == nil {
			return 0, ErrUnknown
		}
		return f(m, t)
	}
}

func taskIDs(_ *run, t *Task) (uint64, error) { return uint64(t.TGID)<<32 | uint64(t.PID), nil }

func taskOwners(_ *run, t *Task) (uint64, error) { return uint64(t.GID)<<32 | uint64(t.UID), nil }

func taskName(m *run, t *Task) (uint64, error) {
	to, err := m.bytes(m.r[1], int(uint32(m.r[2])))
	if err != nil || len(to) == 0 {
		return 0, err
	}
	clear(to)
	copy(to[:min(len(to)-1, commSize-1)], t.Name)
	return 0, nil
}

func taskCgroup(_ *run, t *Task) (uint64, error) { return lastOf(t.Cgroups) }

func taskAncestor(m *run, t *Task) (uint64, error) { return ancestor(t.Cgroups, m.r[1]) }

func lastOf(cgroups []uint64) (uint64, error) {
	if len(cgroups) == 0 {
		return 0, ErrUnknown
	}
	return cgroups[len(cgroups)-1], nil
}

// ancestor is the cgroup at a level, 0 where there is none.
func ancestor(cgroups []uint64, level uint64) (uint64, error) {
	switch n := int32(uint32(level)); {
	case len(cgroups) == 0:
		return 0, ErrUnknown
	case n < 0 || int(n) >= len(cgroups):
		return 0, nil
	default:
		return cgroups[n], nil
	}
}

// ofSender is a helper that wants to know of the socket that has sent the packet; of a
// packet without one it returns 0.
func ofSender(f func(*run, *Socket) (uint64, error)) helper {
	return func(m *run) (uint64, error) {
		s, found, err := m.wholeSender()
		if err != nil || !found {
			return 0, err
		}
		return f(m, &s)
	}
}

func senderCgroup(_ *run, s *Socket) (uint64, error) { return lastOf(s.groups()) }

func senderAncestor(m *run, s *Socket) (uint64, error) { return ancestor(s.groups(), m.r[2]) }

func (s *Socket) groups() []uint64 {
	if s.Cgroups == nil {
		return nil
	}
	return s.Cgroups()
}

// ofSocket is a helper that wants to know of the socket that it gets; of one that is not
// whole it returns 0.
func ofSocket(f func(*run, *Socket) (uint64, error)) helper {
	return func(m *run) (uint64, error) {
		s, err := m.socketAt(m.r[1])
		if err != nil || s == nil || s.State == stateTimeWait {
			return 0, err
		}
		if s.State == stateNewReceived {
			whole, found, err := wholeOf(m.packet.Outside, s.question(), *s)
			if err != nil || !found {
				return 0, err
			}
			s = &whole
		}
		return f(m, s)
	}
}

// Groups are the task's cgroups, none of nobody.
func (t *Task) Groups() []uint64 {
	if t == nil {
		return nil
	}
	return t.Cgroups
}

// senderUnder is bpf_skb_under_cgroup: whether the packet's sender is in a cgroup, or
// below it.
func (m *run) senderUnder() (uint64, error) {
	s, found, err := m.wholeSender()
	switch {
	case err != nil:
		return 0, err
	case !found:
		return failed(noEntry), nil
	}
	return m.under(m.r[2], uint32(m.r[3]), s.groups())
}

func taskUnder(m *run, t *Task) (uint64, error) { return m.under(m.r[1], uint32(m.r[2]), t.Cgroups) }

// under reports whether one of these cgroups is an element of a map.
func (m *run) under(address uint64, index uint32, cgroups []uint64) (uint64, error) {
	of, err := m.mapAt(address)
	if err != nil {
		return 0, err
	}
	id, there := of.Cgroup(index)
	switch {
	case index >= of.Entries():
		return failed(tooBig), nil
	case !there:
		return failed(tryAgain), nil
	case len(cgroups) == 0:
		return 0, ErrUnknown
	}
	return boolean(slices.Contains(cgroups, id)), nil
}

// netnsCookie is bpf_get_netns_cookie of a packet with a sender; the cookie of the first
// network namespace, which is that of all others, nobody tells.
func (m *run) netnsCookie() (uint64, error) {
	_, found, err := m.sender()
	switch {
	case err != nil:
		return 0, err
	case !found, m.r[1] == 0, m.packet.Outside == nil:
		return 0, ErrUnknown
	}
	return m.packet.Outside.Cookie()
}
