package machine

import "bytes"

// currentTask is bpf_get_current_task, and that of BTF: the address of the task's struct
// task_struct, the same each time.
func currentTask(m *run, t *Task) (uint64, error) {
	for address, known := range m.tasks {
		if known.Owner() == t.Owner() {
			return address, nil
		}
	}
	address, err := m.structure("task_struct", func(field string) (any, error) {
		switch field {
		case "pid":
			return uint64(t.PID), nil
		case "tgid":
			return uint64(t.TGID), nil
		case "comm":
			return []byte(t.Name), nil
		case "cgroups":
			return m.structure("css_set", func(field string) (any, error) {
				if field == "dfl_cgrp" && len(t.Cgroups) > 0 {
					return m.cgroup(t.Cgroups)
				}
				return nil, nil
			})
		}
		return nil, nil
	})
	if err != nil {
		return 0, err
	}
	if m.tasks == nil {
		m.tasks = make(map[uint64]*Task)
	}
	m.tasks[address] = t
	return address, nil
}

// cgroup is the address of the struct cgroup of the last of these, which are from the root
// on.
func (m *run) cgroup(ids []uint64) (any, error) {
	id := ids[len(ids)-1]
	for address, known := range m.cgroups {
		if known == id {
			return address, nil
		}
	}
	address, err := m.structure("cgroup", func(field string) (any, error) {
		switch field {
		case "level":
			return uint64(len(ids) - 1), nil
		case "kn":
			return m.structure("kernfs_node", func(field string) (any, error) {
				if field == "id" {
					return id, nil
				}
				return nil, nil
			})
		}
		return nil, nil
	})
	if err != nil {
		return nil, err
	}
	if m.cgroups == nil {
		m.cgroups = make(map[uint64]uint64)
	}
	m.cgroups[address] = id
	return address, nil
}

// readUser is bpf_probe_read_user.
func readUser(m *run, t *Task) (uint64, error) {
	to, err := m.bytes(m.r[1], int(uint32(m.r[2])))
	switch {
	case err != nil:
		return 0, err
	case t.Memory == nil:
		return 0, ErrUnknown
	case t.Memory(m.r[3], to) < len(to):
		clear(to)
		return failed(fault), nil
	}
	return 0, nil
}

// readUserText is bpf_probe_read_user_str: up to a zero, which is counted.
func readUserText(m *run, t *Task) (uint64, error) {
	to, err := m.bytes(m.r[1], int(uint32(m.r[2])))
	switch {
	case err != nil || len(to) == 0:
		return 0, err
	case t.Memory == nil:
		return 0, ErrUnknown
	}
	n := t.Memory(m.r[3], to)
	if at := bytes.IndexByte(to[:n], 0); at >= 0 {
		clear(to[at:])
		return uint64(at) + 1, nil
	}
	if n < len(to) {
		clear(to)
		return failed(fault), nil
	}
	to[len(to)-1] = 0
	return uint64(len(to)), nil
}
