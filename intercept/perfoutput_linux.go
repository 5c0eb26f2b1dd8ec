//go:build amd64 || arm64

package intercept

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/nkconform/nkconform/intercept/notify"
	"github.com/nkconform/nkconform/intercept/sim"
)

// Bits of struct perf_event_attr that matter to an event of PERF_COUNT_SW_BPF_OUTPUT.
const (
	perfSampleType = 24
	perfWakeup     = 48
)

// openOutput reads what an event is to tell: EINVAL, which is told, for samples that are
// not simulated.
func (s *supervisor) openOutput(c *notify.Call, e *perfEvent, a []byte) unix.Errno {
	bits, samples := native.Uint64(a[perfFlags:]), native.Uint64(a[perfSampleType:])
	if other := samples &^ sim.PerfSamples; other != 0 {
		s.warn(fmt.Sprintf("samples of perf events with sample_type %#x: not simulated: refused", other))
		return unix.EINVAL
	}
	pid, cpu := int32(c.Args[1]), int32(c.Args[2])
	e.Output = &sim.PerfOutput{
		CPU: cpu, SampleType: samples, Wakeup: native.Uint32(a[perfWakeup:]),
		IDAll: bits&unix.PerfBitSampleIDAll != 0, Backward: bits&unix.PerfBitWriteBackward != 0, Watermark: bits&unix.PerfBitWatermark != 0,
	}
	switch {
	case pid == 0:
		e.Output.Task = c.TID
	case pid > 0:
		e.Output.Task = uint32(pid)
	}
	e.Output.Enable(bits&unix.PerfBitDisabled == 0)
	return 0
}

// giveOutput answers with a new fd of such an event, which can be mapped.
func (s *supervisor) giveOutput(c *notify.Call, e *perfEvent) unix.Errno {
	fd, err := unix.MemfdCreate("perf", unix.MFD_CLOEXEC)
	if err != nil {
		return unix.ENOMEM
	}
	s.lastPerf++
	e.Output.ID = s.lastPerf
	e.memory = &memory{fd: fd}
	e.memory.waiters.Store(-1)
	if _, err := s.files.injectMapped(s.listener, c, e, e.memory, c.Args[4]&cloexecFlag != 0); err != nil {
		errno := unix.EMFILE
		_ = errors.As(err, &errno)
		e.Close()
		return errno
	}
	return 0
}

// Close says that the event's last fd is closed, and its buffer mapped nowhere.
func (e *perfEvent) Close() {
	e.PerfEvent.Close()
	if e.memory != nil {
		e.Output.Unmapped()
		_ = e.memory.Close() // nothing can be done, and nobody asks
	}
}

// mapRule is for what is mapped to be shared. Programs rarely do.
var mapRule = notify.Rule{Number: unix.SYS_MMAP, When: []notify.Condition{{Arg: 3, Test: notify.AnyBit, Value: unix.MAP_SHARED}}}

// mmap has the running kernel map a perf event's buffer, when there is memory for it.
func (s *supervisor) mmap(c *notify.Call) {
	who := s.caller(c)
	f, _ := s.files.find(c.TID, uint32(c.Args[4]))
	if f == nil || f.perf == nil {
		_ = s.listener.Continue(c)
		return
	}
	errno := unix.ENODEV
	if f.perf.Output != nil {
		errno = f.perf.mapped(who, f.key, c.Args[1], c.Args[5], c.Args[2]&unix.PROT_WRITE != 0)
	}
	if s.log != nil {
		answer := "0"
		if errno != 0 {
			answer = "-1 " + unix.ErrnoName(errno)
		}
		s.log.line(c, fmt.Sprintf("mmap(%s, %d bytes)", f.perf.What(), c.Args[1]), answer)
	}
	if errno != 0 {
		_ = s.listener.Answer(c, 0, errno)
		return
	}
	_ = s.listener.Continue(c)
}

// mapped makes the buffer, of a page and a power of two pages behind it (perf_mmap).
func (e *perfEvent) mapped(who *caller, key fileKey, length, offset uint64, writable bool) unix.Errno {
	page := uint64(os.Getpagesize())
	pages := (length+page-1)/page - 1
	if length == 0 || offset != 0 || pages&(pages-1) != 0 || pages > 1<<20 {
		return unix.EINVAL
	}
	size := int((pages + 1) * page)
	if e.memory.data != nil {
		there := who.maps(key)
		switch {
		case there && len(e.memory.data) != size:
			return unix.EINVAL
		case there:
			return 0
		}
		e.Output.Unmapped()
		_ = unix.Munmap(e.memory.data) // it was mapped
		e.memory.data = nil
	}
	err := unix.Ftruncate(e.memory.fd, 0)
	if err == nil {
		err = unix.Ftruncate(e.memory.fd, int64(size))
	}
	if err == nil {
		e.memory.data, err = unix.Mmap(e.memory.fd, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	}
	if err != nil {
		return unix.ENOMEM
	}
	e.Output.Mapped(e.memory, writable)
	return 0
}

// maps reports whether the caller has a file mapped.
func (c *caller) maps(key fileKey) bool {
	data, err := os.ReadFile(c.proc("/maps"))
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(data)) {
		var major, minor uint32
		var inode uint64
		fields := strings.Fields(line)
		if len(fields) < 5 {
			continue
		}
		if _, err := fmt.Sscanf(fields[3]+" "+fields[4], "%x:%x %d", &major, &minor, &inode); err != nil {
			continue
		}
		if inode == key.inode && unix.Mkdev(major, minor) == key.device {
			return true
		}
	}
	return false
}

// redirectOutput is PERF_EVENT_IOC_SET_OUTPUT.
func (e *perfEvent) redirectOutput(who *caller, fd int32) error {
	if fd == -1 {
		return errnoOr(e.Output.Redirect(nil, e.memory.data != nil))
	}
	f, _ := who.find(uint32(fd))
	if f == nil || f.perf == nil {
		return unix.EBADF
	}
	if f.perf.Output == nil {
		return unix.EINVAL
	}
	return errnoOr(e.Output.Redirect(f.perf.Output, e.memory.data != nil))
}
