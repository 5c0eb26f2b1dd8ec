package machine

// Sample is what a program writes to a perf event.
type Sample struct {
	Data   []byte
	Packet []byte       // the packet's front, behind it
	Task   func() *Task // who is on the processor; nil: not known
}

const currentCPU = 0xffff_ffff // BPF_F_CURRENT_CPU

// perfOutput is bpf_perf_event_output, of packets bpf_skb_event_output and
// bpf_xdp_event_output.
func (m *run) perfOutput() (uint64, error) {
	of, err := m.mapAt(m.r[2])
	if err != nil {
		return 0, err
	}
	data, err := m.bytes(m.r[4], int(m.r[5]))
	if err != nil && m.r[5] != 0 {
		return 0, err
	}
	index, n := uint32(m.r[3]), m.r[3]>>32
	switch {
	case n>>20 != 0: // BPF_F_CTXLEN_MASK
		return failed(invalid), nil
	case n > uint64(m.packet.length()):
		return failed(fault), nil
	case index == currentCPU:
		index = 0
	}
	errno, err := of.Output(index, Sample{data, m.packet.Whole()[:n], m.packet.Task})
	return failed(errno), err
}
