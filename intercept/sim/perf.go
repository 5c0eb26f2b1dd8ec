package sim

import (
	"fmt"

	"github.com/nkconform/nkconform/mprog"
)

// PerfEvent is an event of perf_event_open(2), as far as programs are attached to
// it.
type PerfEvent struct {
	Kind   PerfKind
	Name   string // of a function, a file, or a tracepoint with its system
	Offset uint64 // in the function or file
	Config uint64
	Type   uint32 // PERF_TYPE_*
	// Address of a function, 0 if nobody may know.
	Address   uint64
	Semaphore uint64 // ref_ctr_offset of a probe of a file
	Output    *PerfOutput

	sim     *Sim
	program *attached
	link    bool // program is a link's
}

// PerfKind is enum bpf_perf_event_type.
type PerfKind uint32

// The kinds.
const (
	PerfUprobe PerfKind = iota + 1
	PerfUretprobe
	PerfKprobe
	PerfKretprobe
	PerfTracepoint
	PerfOther
)

// String names the kind for people.
func (k PerfKind) String() string {
	return [...]string{"", "uprobe", "uretprobe", "kprobe", "kretprobe", "tracepoint", "perf_event"}[k]
}

// What names what the event is of, such as kprobe/tcp_connect.
func (e *PerfEvent) What() string {
	switch {
	case e.Kind == PerfOther:
		return fmt.Sprintf("perf_event/%d:%#x", e.Type, e.Config)
	case e.Kind == PerfUprobe, e.Kind == PerfUretprobe, e.Offset != 0:
		return fmt.Sprintf("%s/%s+%#x", e.Kind, e.Name, e.Offset)
	}
	return e.Kind.String() + "/" + e.Name
}

// taskFD is what BPF_TASK_FD_QUERY tells.
type taskFD struct {
	kind    uint32 // enum bpf_task_fd_type
	name    string
	offset  uint64
	address uint64
}

func (e *PerfEvent) task() *taskFD {
	kind, ok := map[PerfKind]uint32{PerfTracepoint: 1, PerfKprobe: 2, PerfKretprobe: 3, PerfUprobe: 4, PerfUretprobe: 5}[e.Kind]
	if !ok {
		return nil
	}
	return &taskFD{kind: kind, name: e.Name, offset: e.Offset, address: e.Address}
}

// takes is __perf_event_set_bpf_prog.
func (e *PerfEvent) takes(p *program) error {
	want := uint32(progKprobe)
	switch e.Kind {
	case PerfTracepoint:
		want = progTracepoint
	case PerfOther:
		want = progPerfEvent
	}
	if e.Kind == PerfOther && e.program != nil {
		return refuse("perf/attached", mprog.EEXIST, "the event has a program")
	}
	if p.typ != want {
		return refuse("perf/type", mprog.EINVAL, "%s takes no program of type %d", e.Kind, p.typ)
	}
	if e.program != nil {
		return refuse("perf/attached", mprog.EEXIST, "the event has a program")
	}
	return nil
}

// SetPerfProgram is ioctl(PERF_EVENT_IOC_SET_BPF) of an event with a program's fd.
func (s *Sim) SetPerfProgram(c Caller, e *PerfEvent, fd uint32) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := &call{Sim: s, caller: c}
	o, p, err := k.progByFD("bpf_fd", fd)
	if err != nil {
		return err
	}
	if err := e.takes(p); err != nil {
		return err
	}
	if err := k.refusedKind(e.Kind.String()); err != nil {
		return err
	}
	e.sim, e.program, e.link = s, k.attach(o, p), false
	k.neverRuns(e.What())
	return nil
}

// PerfProgram is the id of the program at an event, 0 if there is none.
func (s *Sim) PerfProgram(e *PerfEvent) uint32 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e.program == nil {
		return 0
	}
	return e.program.prog.id
}

// Close says that the event's last fd is closed. A link keeps it.
func (e *PerfEvent) Close() {
	if e.sim == nil {
		return
	}
	e.sim.mu.Lock()
	defer e.sim.mu.Unlock()
	if e.program != nil && !e.link {
		a := e.program
		e.program = nil
		e.sim.drop(a)
	}
}

// linkPerf is bpf_perf_link_attach.
func (k *call) linkPerf(o *Object, p *program, r mprog.LinkCreateRequest) error {
	if r.Flags != 0 {
		return refuse("perf/flags", mprog.EINVAL, "flags %s", r.Flags)
	}
	t, _ := k.caller.Target(k.u32(4))
	e := t.Perf
	if e == nil {
		return refuse("perf/bad-fd", mprog.EBADF, "target_fd %d is no perf event", int32(k.u32(4)))
	}
	if err := e.takes(p); err != nil {
		return err
	}
	if err := k.refusedKind(e.Kind.String()); err != nil {
		return err
	}
	cookie := k.u64(16)
	l := &inertLink{kind: perfLink, what: e.What(), task: e.task()}
	l.detach = func() { e.program = nil }
	l.info = func(k *call, in, out []byte) error { return e.info(k, cookie, in, out) }
	if err := k.addInert(l, o, p); err != nil {
		return err
	}
	e.sim, e.program, e.link = k.Sim, &attached{prog: p}, true
	return nil
}

// info is bpf_perf_link_fill_link_info.
func (e *PerfEvent) info(k *call, cookie uint64, in, out []byte) error {
	native.PutUint32(out[16:], uint32(e.Kind))
	if e.Kind == PerfOther {
		native.PutUint64(out[24:], e.Config)
		native.PutUint32(out[32:], e.Type)
		native.PutUint64(out[40:], cookie)
		return nil
	}
	switch e.Kind {
	case PerfTracepoint:
		native.PutUint64(out[40:], cookie)
	case PerfUprobe, PerfUretprobe:
		native.PutUint32(out[36:], uint32(e.Offset))
		native.PutUint64(out[40:], cookie)
		if !k.kernel.Running().Before(cookies) {
			native.PutUint64(out[48:], e.Semaphore)
		}
	default:
		native.PutUint32(out[36:], uint32(e.Offset))
		native.PutUint64(out[40:], e.Address)
		native.PutUint64(out[56:], cookie)
	}
	return textInfo(func() string { return e.shortName() }, 24, 32)(k, in, out)
}

// shortName is a tracepoint's name without its system.
func (e *PerfEvent) shortName() string {
	if e.Kind != PerfTracepoint {
		return e.Name
	}
	for i := len(e.Name) - 1; i >= 0; i-- {
		if e.Name[i] == '/' {
			return e.Name[i+1:]
		}
	}
	return e.Name
}

// queryTask is bpf_task_fd_query of the caller's own fds.
func (k *call) queryTask() error {
	if err := k.needSysAdmin(); err != nil {
		return err
	}
	pid, fd, flags := k.u32(0), k.u32(4), k.u32(8)
	if flags != 0 {
		return refuse("task/flags", mprog.EINVAL, "flags %#x", flags)
	}
	t, open := k.caller.TaskTarget(pid, fd)
	if !open {
		return refuse("task/bad-fd", mprog.EBADF, "fd %d of process %d is not open", int32(fd), int32(pid))
	}
	var told *taskFD
	id := uint32(0)
	switch {
	case t.Object != nil && t.Object.Kind == Link && k.inert[t.Object.ID] != nil:
		l := k.inert[t.Object.ID]
		if l.kind == rawTracepointLink {
			told, id = l.task, l.prog.id
		}
	case t.Perf != nil && t.Perf.program != nil:
		told, id = t.Perf.task(), t.Perf.program.prog.id
	case t.Perf != nil:
		return refuse("task/none", mprog.ENOENT, "the event has no program")
	}
	if told == nil {
		return refuse("task/kind", mprog.EOPNOTSUPP, "nothing is attached by fd %d of process %d", fd, pid)
	}
	name := told.name
	if told.kind == 1 {
		name = t.Perf.shortName()
	}
	if err := k.write(Segment{k.address + 24, append(native.AppendUint32(native.AppendUint32(nil, id), told.kind),
		native.AppendUint64(native.AppendUint64(nil, told.offset), told.address)...)}); err != nil {
		return err
	}
	if err := k.put(12, uint32(len(name))); err != nil {
		return err
	}
	return k.copyText(name, k.u64(16), k.u32(12))
}
