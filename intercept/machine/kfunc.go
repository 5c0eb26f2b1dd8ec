package machine

import "fmt"

// kfuncs are the kernel's own functions that programs call, by their names; which they
// are, a program says by the running kernel's types.
var kfuncs map[string]helper

func init() { // a table that its own functions refer to
	kfuncs = map[string]helper{
		"bpf_cast_to_kern_ctx": func(m *run) (uint64, error) { return m.kernelContext() },
		"bpf_rdonly_cast":      func(m *run) (uint64, error) { return m.r[1], nil },

		"bpf_dynptr_from_skb":   (*run).dynptrFromPacket,
		"bpf_dynptr_from_xdp":   (*run).dynptrFromPacket,
		"bpf_dynptr_slice":      func(m *run) (uint64, error) { return m.dynptrSlice(false) },
		"bpf_dynptr_slice_rdwr": func(m *run) (uint64, error) { return m.dynptrSlice(true) },
		"bpf_dynptr_adjust":     (*run).dynptrAdjust,
		"bpf_dynptr_is_null":    (*run).dynptrIsNull,
		"bpf_dynptr_is_rdonly":  (*run).dynptrIsReadOnly,
		"bpf_dynptr_size":       (*run).dynptrLength,
		"bpf_dynptr_clone":      (*run).dynptrClone,

		"bpf_iter_num_new":     (*run).newNumbers,
		"bpf_iter_num_next":    (*run).nextNumber,
		"bpf_iter_num_destroy": (*run).endNumbers,

		"bpf_rcu_read_lock":     constant(0), // runs are one after the other
		"bpf_rcu_read_unlock":   constant(0),
		"bpf_preempt_disable":   constant(0),
		"bpf_preempt_enable":    constant(0),
		"bpf_local_irq_save":    constant(0),
		"bpf_local_irq_restore": constant(0),

		// No driver here tells of packets.
		"bpf_xdp_metadata_rx_timestamp": constant(failed(notOperation)),
		"bpf_xdp_metadata_rx_hash":      constant(failed(notOperation)),
		"bpf_xdp_metadata_rx_vlan_tag":  constant(failed(notOperation)),
	}
}

// callKernel calls one of the kernel's own functions, by its number among the running
// kernel's types; offset is that of a module's.
func (m *run) callKernel(id uint32, offset int32) error {
	if offset != 0 {
		return fmt.Errorf("function %d of a module of the kernel: %w", id, ErrUnknown)
	}
	types, err := m.world.Types()
	if err != nil {
		return fmt.Errorf("function %d of the kernel: %w: %w", id, ErrUnknown, err)
	}
	name := types.Function(id)
	f := kfuncs[name]
	if f == nil {
		if name == "" {
			name = fmt.Sprint(id)
		}
		return fmt.Errorf("function %s of the kernel: %w", name, ErrUnknown)
	}
	v, err := f(m)
	if err != nil {
		return fmt.Errorf("function %s of the kernel: %w", name, err)
	}
	m.r[0] = v
	m.at++
	return nil
}

// Iterators of numbers (struct bpf_iter_num) have the current one and the end.
const numbersSize = 8

func (m *run) newNumbers() (uint64, error) {
	p, err := m.bytes(m.r[1], numbersSize)
	if err != nil {
		return 0, err
	}
	start, end := int32(uint32(m.r[2])), int32(uint32(m.r[3]))
	clear(p)
	switch {
	case start > end:
		return failed32(invalid), nil
	case int64(end)-int64(start) > maxRepeats:
		return failed32(tooBig), nil
	}
	native.PutUint32(p, uint32(start-1))
	native.PutUint32(p[4:], uint32(end))
	return 0, nil
}

// nextNumber returns where the next number is, 0 at the end.
func (m *run) nextNumber() (uint64, error) {
	p, err := m.bytes(m.r[1], numbersSize)
	if err != nil {
		return 0, err
	}
	current, end := int64(int32(native.Uint32(p))), int64(int32(native.Uint32(p[4:])))
	if current = int64(int32(current + 1)); current >= end {
		clear(p)
		return 0, nil
	}
	native.PutUint32(p, uint32(current))
	return m.r[1], nil
}

func (m *run) endNumbers() (uint64, error) {
	p, err := m.bytes(m.r[1], numbersSize)
	clear(p)
	return 0, err
}

// failed32 is failed of a function that returns an int: what is above it in the
// register is not told, and 0 here.
func failed32(errno int) uint64 { return uint64(uint32(failed(errno))) }
