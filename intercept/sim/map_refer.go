package sim

import (
	"math"

	"github.com/nkconform/nkconform/fake"
	"github.com/nkconform/nkconform/mprog"
)

// checkReference is what is refused of keys and values that refer to something: devices,
// CPUs and sockets.
func (k *call) checkReference(m *bpfMap, key, value []byte, flags uint64) error {
	switch m.typ {
	case devMap, devMapHash:
		return k.checkDevice(m, key, value, flags)
	case cpuMap:
		return k.checkCPU(m, key, value, flags)
	case insnArray:
		return m.checkInsn(key, value, flags)
	case sockMap, sockHash:
		return k.checkSocket(m, value)
	case xskMap, reusePortArray:
		if err := m.checkIndex(key, flags); err != nil {
			return err
		}
		return k.checkSocket(m, value)
	}
	return nil
}

// checkFD is whether an fd is one of a kind: EBADF if it is not open, and an errno if it
// is of another kind, 0 where any does.
func (k *call) checkFD(fd uint32, want TargetKind, errno mprog.Errno) error {
	t, open := k.caller.Target(fd)
	switch {
	case !open:
		return refuse("map/fd", mprog.EBADF, "fd %d is not open", int32(fd))
	case errno != 0 && t.Kind != want:
		return refuse("map/fd", errno, "fd %d is not what the map is for", fd)
	}
	return nil
}

// checkIndex is what is said of an index and flags first.
func (m *bpfMap) checkIndex(key []byte, flags uint64) error {
	switch i := native.Uint32(key); {
	case flags > mustExist:
		return refuse("map/update-flags", mprog.EINVAL, "flags %#x", flags)
	case i >= m.entries:
		return refuse("map/index", mprog.E2BIG, "index %d of %d", i, m.entries)
	}
	return nil
}

// checkSocket is of values that are fds of sockets. Which sockets are suitable is not
// looked at.
func (k *call) checkSocket(m *bpfMap, value []byte) error {
	fd := uint64(native.Uint32(value))
	if len(value) == 8 {
		fd = native.Uint64(value)
	}
	if fd > math.MaxInt32 && (len(value) == 8 || m.typ != xskMap && m.typ != reusePortArray) {
		return refuse("map/value-fd", mprog.EINVAL, "fd %d is out of range", fd)
	}
	return k.checkFD(uint32(fd), SocketTarget, mprog.ENOTSOCK)
}

// checkDevice is __dev_map_update_elem and __dev_map_hash_update_elem.
func (k *call) checkDevice(m *bpfMap, key, value []byte, flags uint64) error {
	ifindex := native.Uint32(value)
	prog := len(value) >= 8 && int32(native.Uint32(value[4:])) > 0
	if m.typ == devMap {
		if err := m.checkIndex(key, flags); err != nil {
			return err
		}
	}
	switch {
	case flags > mustExist, ifindex == 0 && m.typ == devMapHash:
		return refuse("map/update-flags", mprog.EINVAL, "flags %#x for ifindex %d", flags, ifindex)
	case flags == mustBeNew && (m.typ == devMap || m.elements.values[string(key)] != nil):
		return refuse("map/exists", mprog.EEXIST, "there is a device")
	case ifindex == 0 && prog, ifindex != 0 && !k.hasDevice(ifindex):
		return refuse("map/device", mprog.EINVAL, "no device has ifindex %d", ifindex)
	}
	return nil
}

func (k *call) hasDevice(ifindex uint32) bool {
	_, there := k.caller.DeviceName(ifindex)
	return there || k.standIn(k.caller).HasDevice(ifindex)
}

// deletes reports whether a value that is put says that there shall be none.
func (m *bpfMap) deletes(value []byte) bool {
	return (m.typ == devMap || m.typ == cpuMap) && native.Uint32(value) == 0
}

// checkCPU is cpu_map_update_elem.
func (k *call) checkCPU(m *bpfMap, key, value []byte, flags uint64) error {
	const maxQueue = 16384
	if err := m.checkIndex(key, flags); err != nil {
		return err
	}
	switch cpu, queue := native.Uint32(key), native.Uint32(value); {
	case flags == mustBeNew:
		return refuse("map/exists", mprog.EEXIST, "every element of an array exists")
	case queue > maxQueue:
		return refuse("map/queue", mprog.EOVERFLOW, "a queue of %d: %d at most", queue, maxQueue)
	case cpu >= uint32(k.cpus):
		return refuse("map/cpu", mprog.ENODEV, "CPU %d of %d", cpu, k.cpus)
	}
	return nil
}

// Attach types of XDP programs in maps (BPF_XDP_DEVMAP, BPF_XDP_CPUMAP).
const (
	forDevmap = 33
	forCPUMap = 35
)

// storeOutlet puts a device or a CPU, which may have a program that is named by an fd, and
// by its id when it is read (struct bpf_devmap_val, bpf_cpumap_val).
func (k *call) storeOutlet(m *bpfMap, key, value []byte) error {
	var o *Object
	if len(value) >= 8 {
		fd := native.Uint32(value[4:])
		clear(value[4:])
		if int32(fd) > 0 {
			var err error
			if o, err = k.outletProgram(m, fd); err != nil {
				return err
			}
			o = o.clone()
			native.PutUint32(value[4:], o.ID)
		}
	}
	m.elements.remove(key) // with the program that is there
	return m.elements.put(key, value, o, anyway)
}

// outletProgram is the program of an element: one that was loaded for such.
func (k *call) outletProgram(m *bpfMap, fd uint32) (*Object, error) {
	want, refused := uint32(forDevmap), mprog.EINVAL
	if m.typ == cpuMap {
		want = forCPUMap
		if k.kernel.Running().Before(fake.Version(7, 0)) {
			refused = mprog.ENOMEM
		}
	}
	o, p, err := k.progByFD("bpf_prog.fd", fd)
	switch {
	case err == nil && mprog.ProgType(p.typ) == mprog.XDP && p.attach == want && k.own(m, p) == nil:
		return o, nil
	case refused != mprog.EINVAL || m.typ != cpuMap || err == nil:
		return nil, refuse("map/program", refused, "fd %d is no XDP program that is loaded for maps of type %d", fd, m.typ)
	}
	return nil, err
}

// checkInsn is insn_array_update_elem: only orig_off, the first word, is for users.
func (m *bpfMap) checkInsn(key, value []byte, flags uint64) error {
	switch i := native.Uint32(key); {
	case i >= m.entries:
		return refuse("map/index", mprog.E2BIG, "index %d of %d", i, m.entries)
	case flags&mustBeNew != 0:
		return refuse("map/exists", mprog.EEXIST, "every element of an array exists")
	case native.Uint64(value[4:]) != 0:
		return refuse("map/insn", mprog.EINVAL, "xlated_off and jitted_off are the kernel's")
	}
	return nil
}
