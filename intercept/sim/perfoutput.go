package sim

import (
	"fmt"
	"sync"

	"github.com/nkconform/nkconform/intercept/machine"
	"github.com/nkconform/nkconform/mprog"
)

// PerfOutput is what an event of PERF_COUNT_SW_BPF_OUTPUT has: programs write samples
// to the buffer that was mapped of it (bpf_perf_event_output).
type PerfOutput struct {
	ID         uint64
	CPU        int32  // -1: all
	Task       uint32 // the thread that it is of, 0: all
	SampleType uint64 // of PerfSamples
	IDAll      bool   // records that are no samples say, too, what SampleType says (sample_id_all)
	Backward   bool   // write_backward
	Watermark  bool   // Wakeup is a number of bytes, not of samples
	Wakeup     uint32

	mu      sync.Mutex
	enabled bool
	buffer  *perfBuffer
	own     bool // buffer is no other event's
}

// PERF_SAMPLE_*.
const (
	sampleTID        = 1 << 1
	sampleTime       = 1 << 2
	sampleAddress    = 1 << 3
	sampleID         = 1 << 6
	sampleCPU        = 1 << 7
	samplePeriod     = 1 << 8
	sampleStreamID   = 1 << 9
	sampleRaw        = 1 << 10
	sampleIdentifier = 1 << 16

	// PerfSamples is what samples can tell of.
	PerfSamples = sampleTID | sampleTime | sampleAddress | sampleID | sampleCPU | samplePeriod | sampleStreamID | sampleRaw |
		sampleIdentifier
)

// Enable says whether the event takes samples (PERF_EVENT_IOC_ENABLE and DISABLE).
func (o *PerfOutput) Enable(enabled bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.enabled = enabled
}

// Mapped gives the event a new buffer. Without a writable one readers cannot say what they
// have read, and what is old is written over.
func (o *PerfOutput) Mapped(memory Memory, writable bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.buffer, o.own = newPerfBuffer(memory, o, writable), true
}

// Unmapped takes the event's own buffer away, also from events that write to it.
func (o *PerfOutput) Unmapped() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.own {
		o.buffer.mu.Lock()
		defer o.buffer.mu.Unlock()
		o.buffer.memory = nil
	}
	o.buffer, o.own = nil, false
}

// Pause is PERF_EVENT_IOC_PAUSE_OUTPUT: EINVAL without a buffer.
func (o *PerfOutput) Pause(paused bool) mprog.Errno {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.buffer == nil {
		return mprog.EINVAL
	}
	o.buffer.mu.Lock()
	defer o.buffer.mu.Unlock()
	if o.buffer.size() == 0 {
		return mprog.EINVAL
	}
	o.buffer.paused = paused
	return 0
}

// Redirect is PERF_EVENT_IOC_SET_OUTPUT: samples go to another event's buffer, nil ends it.
// EINVAL for an event with a buffer of its own, and for unlike events (perf_event_set_output).
func (o *PerfOutput) Redirect(to *PerfOutput, mapped bool) mprog.Errno {
	if to == o || mapped {
		return mprog.EINVAL
	}
	var buffer *perfBuffer
	if to != nil {
		to.mu.Lock()
		buffer = to.buffer
		to.mu.Unlock()
		if buffer == nil || to.CPU != o.CPU || to.Task != o.Task || to.Backward != o.Backward {
			return mprog.EINVAL
		}
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.buffer = buffer
	return 0
}

// longestRecord is what a record's header can tell of.
const longestRecord = 1<<16 - 8

// write is __bpf_perf_event_output, on CPU 0.
func (o *PerfOutput) write(s machine.Sample, now uint64) (mprog.Errno, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	var task *machine.Task
	if s.Task != nil {
		task = s.Task()
	}
	switch {
	case !o.enabled, o.CPU > 0:
		return mprog.EOPNOTSUPP, nil
	case o.Task != 0 && task != nil && task.PID != o.Task:
		return mprog.EOPNOTSUPP, nil
	case o.Task != 0 && task == nil, o.SampleType&sampleTID != 0 && task == nil:
		return 0, fmt.Errorf("the thread on the processor: %w", machine.ErrUnknown)
	}
	var pid, tid uint32
	if task != nil {
		pid, tid = task.TGID, task.PID
	}
	f := perfFields{o, pid, tid, now}
	record := f.sample(s.Data, s.Packet)
	if len(record) > longestRecord {
		return 0, fmt.Errorf("a sample of %d bytes: %w", len(record), machine.ErrUnknown)
	}
	if o.buffer == nil {
		return mprog.ENOSPC, nil
	}
	wakeups := o.Wakeup
	if o.Watermark {
		wakeups = 0
	}
	return o.buffer.write(record, f.lost, wakeups), nil
}

// perfFields are the fields that records of an event share.
type perfFields struct {
	of       *PerfOutput
	pid, tid uint32
	now      uint64
}

// Records (enum perf_event_type), and what their header says.
const (
	recordLost   = 2
	recordSample = 9
	inKernel     = 1 // PERF_RECORD_MISC_KERNEL
)

func (f perfFields) has(what uint64) bool { return f.of.SampleType&what != 0 }

// sample is a PERF_RECORD_SAMPLE. The raw data's size includes what is left free at its end.
func (f perfFields) sample(data, packet []byte) []byte {
	p := make([]byte, 8, 64+len(data)+len(packet))
	if f.has(sampleIdentifier) {
		p = native.AppendUint64(p, f.of.ID)
	}
	if f.has(sampleTID) {
		p = native.AppendUint32(native.AppendUint32(p, f.pid), f.tid)
	}
	if f.has(sampleTime) {
		p = native.AppendUint64(p, f.now)
	}
	if f.has(sampleAddress) {
		p = native.AppendUint64(p, 0)
	}
	for _, id := range []uint64{sampleID, sampleStreamID} {
		if f.has(id) {
			p = native.AppendUint64(p, f.of.ID)
		}
	}
	if f.has(sampleCPU) {
		p = native.AppendUint64(p, 0)
	}
	if f.has(samplePeriod) {
		p = native.AppendUint64(p, 0)
	}
	if f.has(sampleRaw) {
		raw := round8(uint32(len(data)+len(packet)+4)) - 4
		p = append(append(native.AppendUint32(p, raw), data...), packet...)
		p = append(p, make([]byte, (8-len(p)%8)%8)...)
	}
	return header(p, recordSample, inKernel)
}

// lost is a PERF_RECORD_LOST.
func (f perfFields) lost(count uint64) []byte {
	p := native.AppendUint64(native.AppendUint64(make([]byte, 8, 64), f.of.ID), count)
	if !f.of.IDAll {
		return header(p, recordLost, 0)
	}
	if f.has(sampleTID) {
		p = native.AppendUint32(native.AppendUint32(p, f.pid), f.tid)
	}
	if f.has(sampleTime) {
		p = native.AppendUint64(p, f.now)
	}
	for _, id := range []uint64{sampleID, sampleStreamID} {
		if f.has(id) {
			p = native.AppendUint64(p, f.of.ID)
		}
	}
	if f.has(sampleCPU) {
		p = native.AppendUint64(p, 0)
	}
	if f.has(sampleIdentifier) {
		p = native.AppendUint64(p, f.of.ID)
	}
	return header(p, recordLost, 0)
}

// header is struct perf_event_header.
func header(p []byte, typ uint32, misc uint16) []byte {
	native.PutUint32(p, typ)
	native.PutUint16(p[4:], misc)
	native.PutUint16(p[6:], uint16(len(p)))
	return p
}

// storeEvent puts an event into a map, whose fd it leaves with (perf_event_fd_array_get_ptr).
func (k *call) storeEvent(m *bpfMap, key, value []byte, flags uint64) error {
	if flags != anyway {
		return refuse("map/update-flags", mprog.EINVAL, "flags %#x", flags)
	}
	if i, ok := m.elements.index(key); !ok {
		return refuse("map/index", mprog.E2BIG, "index %d of %d", i, m.entries)
	}
	fd := native.Uint32(value)
	t, _ := k.caller.Target(fd)
	event := t.Perf
	if event == nil && t.Name == "anon_inode:[perf_event]" { // one of the running kernel's
		event = &PerfEvent{Kind: PerfOther}
	}
	if event == nil {
		return refuse("map/value-fd", mprog.EBADF, "value %d is no perf event", int32(fd))
	}
	by, _ := k.caller.Object(k.u32(elementMap))
	m.elements.values[string(key)] = &element{value: value, event: event, by: by}
	return nil
}

// leave takes out what was put into the map by an fd that is closed
// (perf_event_fd_array_release).
func (m *bpfMap) leave(by *Object) {
	const preserve = 1 << 11 // BPF_F_PRESERVE_ELEMS
	if m.typ != perfEventArray || m.flags&preserve != 0 {
		return
	}
	for key, e := range m.elements.values {
		if e.by == by {
			delete(m.elements.values, key)
		}
	}
}

// Output writes a sample to the event at an index (bpf_perf_event_output).
func (v mapView) Output(index uint32, s machine.Sample) (errno int, err error) {
	if index >= v.m.entries {
		return int(mprog.E2BIG), nil
	}
	e := v.m.elements.values[string(native.AppendUint32(nil, index))]
	switch {
	case e == nil || e.event == nil:
		return int(mprog.ENOENT), nil
	case e.event.Output == nil:
		return int(mprog.EINVAL), nil
	}
	n, err := e.event.Output.write(s, v.m.sim.now())
	return int(n), err
}
