package sim

import (
	"bytes"

	"github.com/nkconform/nkconform/mprog"
)

// Storages have values of sockets, tasks, cgroups and inodes. Here they are elements by
// what their owners have for ever: a socket's cookie, a cgroup's id.

func ownerKey(owner uint64) []byte { return native.AppendUint64(nil, owner) }

// stored returns the owner's value, which initial becomes if there is none, unless it is
// nil.
func (m *bpfMap) stored(owner uint64, initial []byte) []byte {
	key := ownerKey(owner)
	if e := m.elements.values[string(key)]; e != nil {
		return e.value
	}
	if initial != nil {
		m.elements.keep(key, initial)
	}
	return initial
}

// forget deletes what storages of sockets have for one.
func (s *Sim) forget(cookie uint64) {
	for _, m := range s.maps.byID {
		if m.typ == skStorage {
			m.elements.remove(ownerKey(cookie))
		}
	}
}

// owner finds whose value an element is that user space names by an fd.
func (k *call) owner(m *bpfMap, key []byte) (owner uint64, err error) {
	fd := native.Uint32(key)
	t, open := k.caller.Target(fd)
	want, errno := OtherTarget, mprog.EBADF
	switch m.typ {
	case skStorage:
		want, errno = SocketTarget, mprog.ENOTSOCK
	case taskStorage:
		want = TaskTarget
	case cgrpStorage:
		want = CgroupTarget
	}
	switch {
	case !open:
		return 0, refuse("map/key-fd", mprog.EBADF, "key %d is not open", int32(fd))
	case m.typ != inodeStorage && t.Kind != want:
		return 0, refuse("map/key-fd", errno, "key %d is nothing of which the map has values", fd)
	case m.typ == cgrpStorage, m.typ == inodeStorage:
		return t.ID, nil
	case t.Owner == 0:
		return 0, refuse("map/key-fd", mprog.ENOENT, "key %d is gone", fd)
	}
	return t.Owner, nil
}

// storeOwned is the update of a storage's element (bpf_local_storage_update).
func (k *call) storeOwned(m *bpfMap, key, value []byte, flags uint64) error {
	owner, err := k.owner(m, key)
	if err != nil {
		return err
	}
	e := m.elements.values[string(ownerKey(owner))]
	switch {
	case m.updateFlags(flags) != nil:
		return refuse("map/update-flags", mprog.EINVAL, "flags %#x", flags)
	case e != nil && flags == mustBeNew:
		return refuse("map/exists", mprog.EEXIST, "the key is there")
	case e == nil && flags == mustExist:
		return refuse("map/absent", mprog.ENOENT, "the key is not there")
	}
	m.elements.keep(ownerKey(owner), bytes.Clone(value))
	return nil
}

// storeCgroup is the update of an array of cgroups: the element is the cgroup's id.
func (k *call) storeCgroup(m *bpfMap, key, value []byte, flags uint64) error {
	if flags != anyway {
		return refuse("map/update-flags", mprog.EINVAL, "flags %#x", flags)
	}
	if i, ok := m.elements.index(key); !ok {
		return refuse("map/index", mprog.E2BIG, "index %d of %d", i, m.entries)
	}
	t, err := k.cgroup(native.Uint32(value))
	if err != nil {
		return err
	}
	m.elements.keep(key, ownerKey(t.ID))
	return nil
}
