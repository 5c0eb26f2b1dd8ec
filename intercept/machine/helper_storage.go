package machine

import (
	"bytes"
	"errors"
)

// create is BPF_LOCAL_STORAGE_GET_F_CREATE: to make what is not there.
const create = 1

// stored is bpf_sk_storage_get and its like: what a map has for who is asked for.
func (m *run) stored(owner uint64) (uint64, error) {
	of, err := m.mapAt(m.r[1])
	if err != nil {
		return 0, err
	}
	value, flags := m.r[3], m.r[4]
	if flags&^create != 0 {
		return 0, nil
	}
	var initial []byte
	if flags == create {
		initial = make([]byte, of.ValueSize())
		if value != 0 {
			p, err := m.bytes(value, len(initial))
			if err != nil {
				return 0, err
			}
			initial = bytes.Clone(p)
		}
	}
	return m.value(of.Stored(owner, initial)), nil
}

// forget is bpf_sk_storage_delete and its like.
func (m *run) forget(owner uint64) (uint64, error) {
	of, err := m.mapAt(m.r[1])
	switch {
	case err != nil:
		return 0, err
	case !of.Forget(owner):
		return failed(noEntry), nil
	}
	return 0, nil
}

// socketStorage is bpf_sk_storage_get.
func (m *run) socketStorage() (uint64, error) {
	s, err := m.socketAt(m.r[2])
	if err != nil || s == nil || !s.whole() {
		return 0, err
	}
	return m.stored(s.Cookie)
}

// forgetSocket is bpf_sk_storage_delete.
func (m *run) forgetSocket() (uint64, error) {
	s, err := m.socketAt(m.r[2])
	if err != nil || s == nil || !s.whole() {
		return failed(invalid), err
	}
	return m.forget(s.Cookie)
}

// errNobody says that an address is no task's, or no cgroup's.
var errNobody = errors.New("no such task or cgroup")

// ofOwner is a helper of a storage that is asked for a task or a cgroup, in r2; for an
// address that is 0 it returns none.
func ofOwner(owner func(m *run, address uint64) (uint64, bool), f func(*run, uint64) (uint64, error), none uint64) helper {
	return func(m *run) (uint64, error) {
		if m.r[2] == 0 {
			return none, nil
		}
		id, known := owner(m, m.r[2])
		if !known {
			return 0, errNobody
		}
		return f(m, id)
	}
}

func taskOwner(m *run, address uint64) (uint64, bool) {
	t := m.tasks[address]
	if t == nil {
		return 0, false
	}
	return t.Owner(), true
}

func cgroupOwner(m *run, address uint64) (uint64, bool) {
	id, known := m.cgroups[address]
	return id, known
}

// localStorage is bpf_get_local_storage: what the cgroup has for which the program runs.
func (m *run) localStorage() (uint64, error) {
	of, err := m.mapAt(m.r[1])
	if err != nil {
		return 0, err
	}
	p, id := m.packet, uint32(m.r[1])
	if p.local[id] == nil {
		if p.local == nil {
			p.local = make(map[uint32][]byte)
		}
		p.local[id] = make([]byte, of.ValueSize())
	}
	return m.share(p.local[id]), nil
}
