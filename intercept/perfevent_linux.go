//go:build amd64 || arm64

package intercept

import (
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/nkconform/nkconform/intercept/notify"
	"github.com/nkconform/nkconform/intercept/sim"
	"github.com/nkconform/nkconform/mprog"
)

// perfEvent is an event of perf_event_open(2) for which an end of a pair of sockets
// stands, or a memory. Nothing is counted, and sampled is what programs write.
type perfEvent struct {
	sim.PerfEvent
	id     uint64
	memory *memory // of one with an Output
}

// Where struct perf_event_attr has its fields (include/uapi/linux/perf_event.h).
const (
	perfType    = 0
	perfSize    = 4
	perfConfig  = 8
	perfFlags   = 40
	perfConfig1 = 56
	perfConfig2 = 64

	perfOldest  = 64  // PERF_ATTR_SIZE_VER0
	perfRoom    = 128 // as much as is looked at here
	cloexecFlag = unix.PERF_FLAG_FD_CLOEXEC
)

// perfTypes are the dynamic types of probes' events.
type perfTypes struct{ kprobe, uprobe uint32 }

// noPerfType is no type: where the running kernel has no such events, as sysfs tells
// programs, too, probes are made by tracefs.
const noPerfType = math.MaxUint32

func readPerfTypes() perfTypes {
	read := func(name string) uint32 {
		data, err := os.ReadFile("/sys/bus/event_source/devices/" + name + "/type")
		if err != nil {
			return noPerfType
		}
		n, err := strconv.ParseUint(strings.TrimSpace(string(data)), 10, 32)
		if err != nil {
			return noPerfType
		}
		return uint32(n)
	}
	return perfTypes{kprobe: read("kprobe"), uprobe: read("uprobe")}
}

// perfEventOpen answers perf_event_open(2): probes, tracepoints and events of other
// tasks or CPUs than the caller's own are inert.
func (s *supervisor) perfEventOpen(c *notify.Call) {
	s.tellTrees()
	who := s.caller(c)
	var a [perfRoom]byte
	n, err := who.ReadSome(c.Args[0], a[:])
	if err != nil || n < perfOldest {
		_ = s.listener.Answer(c, 0, unix.EFAULT)
		return
	}
	if size := native.Uint32(a[perfSize:]); size != 0 && size < perfOldest {
		_ = s.listener.Continue(c) // E2BIG, with the size written back
		return
	} else if size != 0 {
		clear(a[min(size, perfRoom):])
	}
	typ, config := native.Uint32(a[perfType:]), native.Uint64(a[perfConfig:])
	e := &perfEvent{PerfEvent: sim.PerfEvent{Kind: sim.PerfOther, Type: typ, Config: config}}
	var what string
	var errno unix.Errno
	switch types := s.perfTypes(); {
	case typ == unix.PERF_TYPE_SOFTWARE && config == unix.PERF_COUNT_SW_BPF_OUTPUT:
		what = "bpf_output"
		errno = s.openOutput(c, e, a[:])
	case typ == types.kprobe:
		what = "kprobe"
		errno = s.openKprobe(who, e, a[:])
	case typ == types.uprobe:
		what = "uprobe"
		errno = s.openUprobe(who, e, a[:])
	case typ == unix.PERF_TYPE_TRACEPOINT:
		what = "tracepoint"
		errno = s.openTracepoint(e)
	case int32(c.Args[1]) == 0 && int32(c.Args[2]) == -1: // the caller counts what it does
		_ = s.listener.Continue(c)
		return
	default:
		what = "perf_event"
	}
	pid, cpu := int32(c.Args[1]), int32(c.Args[2])
	switch {
	case errno != 0:
	case pid == -1 && cpu == -1, int(cpu) >= possibleCPUs():
		errno = unix.EINVAL
	case pid < -1, pid > 0 && !who.HasTask(uint32(pid)):
		errno = unix.ESRCH
	}
	privileged := who.Capable(mprog.CapPerfmon) || who.Capable(mprog.CapSysAdmin)
	switch {
	case errno == 0 && !privileged:
		errno = unix.EACCES
	case errno == 0 && s.options.Refuse[what] != 0:
		errno = unix.Errno(s.options.Refuse[what])
	}
	switch {
	case errno != 0:
	case e.Output != nil:
		errno = s.giveOutput(c, e)
	default:
		errno = s.givePerf(c, e)
	}
	if errno != 0 {
		_ = s.listener.Answer(c, 0, errno)
	}
	if s.log != nil {
		answer := "an fd"
		if errno != 0 {
			answer = "-1 " + unix.ErrnoName(errno)
		}
		s.log.line(c, "perf_event_open("+e.What()+")", answer)
	}
}

// openKprobe is perf_kprobe_init.
func (s *supervisor) openKprobe(who *caller, e *perfEvent, a []byte) unix.Errno {
	name, offset := native.Uint64(a[perfConfig1:]), native.Uint64(a[perfConfig2:])
	e.Kind = sim.PerfKprobe
	if native.Uint64(a[perfConfig:])&1 != 0 {
		e.Kind = sim.PerfKretprobe
	}
	if name == 0 {
		e.Address, e.Name = offset, fmt.Sprintf("%#x", offset)
		return 0
	}
	text, ok := who.text(name, 512)
	if !ok {
		return unix.EFAULT
	}
	e.Name, e.Offset = text, offset
	if text == "" {
		return unix.EINVAL
	}
	address, known := s.symbols.Function(text)
	if !known {
		return unix.ENOENT
	}
	if address != 0 {
		e.Address = address + offset
	}
	if e.Kind == sim.PerfKretprobe && offset != 0 {
		return unix.EINVAL
	}
	return 0
}

// openUprobe is perf_uprobe_init.
func (s *supervisor) openUprobe(who *caller, e *perfEvent, a []byte) unix.Errno {
	const semaphoreShift = 32 // PERF_UPROBE_REF_CTR_OFFSET_SHIFT
	e.Kind = sim.PerfUprobe
	if e.Config&1 != 0 {
		e.Kind = sim.PerfUretprobe
	}
	e.Offset, e.Semaphore = native.Uint64(a[perfConfig2:]), e.Config>>semaphoreShift
	name := native.Uint64(a[perfConfig1:])
	if name == 0 {
		return unix.EINVAL
	}
	text, ok := who.text(name, unix.PathMax)
	if !ok {
		return unix.EFAULT
	}
	if text == "" {
		return unix.EINVAL
	}
	e.Name = text
	if errno := who.Executable(text); errno != 0 {
		return unix.Errno(errno)
	}
	e.Name = who.realPath(text)
	if info, err := os.Stat(who.path(unix.AT_FDCWD, text)); err == nil && e.Offset > uint64(info.Size()) {
		return unix.EINVAL
	}
	return 0
}

// openTracepoint is perf_trace_init: of a tracepoint, or of an event of
// kprobe_events and uprobe_events.
func (s *supervisor) openTracepoint(e *perfEvent) unix.Errno {
	found, ok := s.tracefs.Event(uint32(e.Config))
	if !ok {
		e.Kind = sim.PerfTracepoint
		e.Name = fmt.Sprintf("id %d", e.Config)
		return unix.EINVAL
	}
	found.Type, found.Config = e.Type, e.Config
	e.PerfEvent = found
	return 0
}

// givePerf answers with a new fd of an event.
func (s *supervisor) givePerf(c *notify.Call, e *perfEvent) unix.Errno {
	made, theirs, err := s.files.pair()
	if err != nil {
		return unix.ENOMEM
	}
	defer unix.Close(theirs)
	s.lastPerf++
	e.id = s.lastPerf
	made.perf = e
	if _, err := s.listener.AnswerFD(c, theirs, c.Args[4]&cloexecFlag != 0); err != nil {
		s.files.forget(made)
		errno, ok := err.(unix.Errno)
		if !ok {
			errno = unix.EMFILE
		}
		return errno
	}
	return 0
}

// perfIoctls are the requests of perf events' fds that are answered.
var perfIoctls = []uint32{
	unix.PERF_EVENT_IOC_ENABLE, unix.PERF_EVENT_IOC_DISABLE, unix.PERF_EVENT_IOC_RESET, unix.PERF_EVENT_IOC_ID,
	unix.PERF_EVENT_IOC_SET_BPF, unix.PERF_EVENT_IOC_QUERY_BPF, unix.PERF_EVENT_IOC_PAUSE_OUTPUT,
	unix.PERF_EVENT_IOC_SET_OUTPUT, unix.PERF_EVENT_IOC_SET_FILTER, unix.PERF_EVENT_IOC_PERIOD, unix.PERF_EVENT_IOC_REFRESH,
}

// perfIoctl answers ioctl(2) of events.
func (s *supervisor) perfIoctl(c *notify.Call) {
	who := s.caller(c)
	f, open := who.find(uint32(c.Args[0]))
	if !open || f == nil || f.perf == nil {
		_ = s.listener.Continue(c)
		return
	}
	e := f.perf
	var err error
	var request string
	switch uint32(c.Args[1]) {
	case unix.PERF_EVENT_IOC_ENABLE, unix.PERF_EVENT_IOC_DISABLE:
		request = "ENABLE"
		enable := uint32(c.Args[1]) == unix.PERF_EVENT_IOC_ENABLE
		if !enable {
			request = "DISABLE"
		}
		if e.Output != nil {
			e.Output.Enable(enable)
		}
	case unix.PERF_EVENT_IOC_PAUSE_OUTPUT:
		request, err = "PAUSE_OUTPUT", unix.EINVAL
		if e.Output != nil {
			err = errnoOr(e.Output.Pause(c.Args[2] != 0))
		}
	case unix.PERF_EVENT_IOC_SET_OUTPUT:
		request, err = "SET_OUTPUT", unix.EINVAL
		if e.Output != nil {
			err = e.redirectOutput(who, int32(c.Args[2]))
		}
	case unix.PERF_EVENT_IOC_SET_BPF:
		request = "SET_BPF"
		err = who.kernel().SetPerfProgram(who, &e.PerfEvent, uint32(c.Args[2]))
	case unix.PERF_EVENT_IOC_ID:
		request = "ID"
		id := e.id
		if e.Output != nil {
			id = e.Output.ID
		}
		if who.Write(sim.Segment{Address: c.Args[2], Data: native.AppendUint64(nil, id)}) != nil {
			err = unix.EFAULT
		}
	case unix.PERF_EVENT_IOC_QUERY_BPF:
		request = "QUERY_BPF"
		err = s.queryPerf(who, e, c.Args[2])
	default:
		request = "other"
	}
	errno, _ := mprog.ErrnoOf(err)
	_ = s.listener.Answer(c, 0, unix.Errno(errno))
	if s.log != nil {
		answer := "0"
		if err != nil {
			answer = "-1 " + errno.String() + fmt.Sprintf(" (%v)", err)
		}
		s.log.line(c, fmt.Sprintf("ioctl(%s, PERF_EVENT_IOC_%s)", e.What(), request), answer)
	}
}

// mostAtEvent is BPF_TRACE_MAX_PROGS.
const mostAtEvent = 64

// queryPerf is perf_event_query_prog_array: the programs of all events of a
// tracepoint.
func (s *supervisor) queryPerf(who *caller, e *perfEvent, address uint64) error {
	if e.Kind != sim.PerfTracepoint {
		return unix.EINVAL
	}
	var head [8]byte // struct perf_event_query_bpf: ids_len, prog_cnt
	if who.Read(address, head[:]) != nil {
		return unix.EFAULT
	}
	room := native.Uint32(head[:])
	if room > mostAtEvent {
		return unix.E2BIG
	}
	var ids []byte
	count := uint32(0)
	for _, f := range s.files.byKey {
		if f.perf == nil || f.perf.Kind != e.Kind || f.perf.Config != e.Config {
			continue
		}
		if id := who.kernel().PerfProgram(&f.perf.PerfEvent); id != 0 {
			count++
			ids = native.AppendUint32(ids, id)
		}
	}
	out := []sim.Segment{{Address: address + 4, Data: native.AppendUint32(nil, count)}}
	if n := min(room, count); n > 0 {
		out = append(out, sim.Segment{Address: address + 8, Data: ids[:4*n]})
	}
	if who.Write(out...) != nil {
		return unix.EFAULT
	}
	if room < count {
		return unix.ENOSPC
	}
	return nil
}

// errnoOr is an errno as an error, nil for 0.
func errnoOr(errno mprog.Errno) error {
	if errno == 0 {
		return nil
	}
	return errno
}
