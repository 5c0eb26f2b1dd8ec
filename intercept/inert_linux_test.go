//go:build amd64 || arm64

package intercept

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// loadType loads the program of two instructions as another type.
func loadType(typ uint32) (int, error) {
	il, ih := address(&twoInsns[0])
	ll, lh := address(&gpl[0])
	return bpfCall(5, append(words(typ, 2, il, ih, ll, lh, 0, 0, 0, 0, 0, 0), targetName+"\x00\x00\x00\x00\x00"...))
}

const (
	kprobeType     = 2
	tracepointType = 5
	perfTypeOfLink = 7
)

// inertTarget attaches to what never runs, as agents do: a probe through tracefs, a
// tracepoint by link, a socket's filter.
func inertTarget() error {
	const tracing = "/sys/kernel/tracing"
	var fs unix.Statfs_t
	if unix.Statfs(tracing, &fs) != nil || fs.Type != unix.TRACEFS_MAGIC {
		fmt.Println("no tracefs: /dev/fuse is not there")
		return nil
	}
	var wrong []error
	want := func(what string, got, want any) {
		if fmt.Sprint(got) != fmt.Sprint(want) {
			wrong = append(wrong, fmt.Errorf("%s: got %v, want %v", what, got, want))
		}
	}
	number := func(path string) uint64 {
		data, err := os.ReadFile(path)
		want(path, err, nil)
		n, _ := strconv.ParseUint(strings.TrimSpace(string(data)), 10, 64)
		return n
	}
	open := func(id uint64) int {
		a := unix.PerfEventAttr{Type: unix.PERF_TYPE_TRACEPOINT, Config: id, Sample: 1, Wakeup: 1}
		a.Size = uint32(unsafe.Sizeof(a))
		fd, err := unix.PerfEventOpen(&a, -1, 0, -1, unix.PERF_FLAG_FD_CLOEXEC)
		want("perf_event_open", err, nil)
		return fd
	}

	mounts, err := os.ReadFile("/proc/self/mounts")
	want("mounts", err, nil)
	want("tracefs in mounts", strings.Contains(string(mounts), " "+tracing+" tracefs rw,"), true)

	// What a kernel says to the lines of kprobe_events.
	for _, line := range []struct {
		text string
		err  error
	}{
		{"p:agent/ours do_exit", nil}, {"p:agent/ours do_exit", unix.EEXIST}, {"p:agent/other no_such_function", unix.ENOENT},
		{"p8:agent/other do_exit", unix.EINVAL}, {"-:agent/other", unix.ENOENT},
	} {
		err := os.WriteFile(tracing+"/kprobe_events", []byte(line.text), 0)
		if !errors.Is(err, line.err) {
			wrong = append(wrong, fmt.Errorf("%s: got %v, want %v", line.text, err, line.err))
		}
	}
	probe := open(number(tracing + "/events/agent/ours/id"))
	kprobe, err := loadType(kprobeType)
	want("load", err, nil)
	tracepoint, err := loadType(tracepointType)
	want("load", err, nil)
	setBPF := func(event, prog int) error { return unix.IoctlSetInt(event, unix.PERF_EVENT_IOC_SET_BPF, prog) }
	want("a tracepoint's program at a probe", setBPF(probe, tracepoint), unix.EINVAL)
	want("a probe's program", setBPF(probe, kprobe), nil)
	want("another one", setBPF(probe, kprobe), unix.EEXIST)
	want("enable", unix.IoctlSetInt(probe, unix.PERF_EVENT_IOC_ENABLE, 0), nil)
	name, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", probe))
	want(name, err, nil)
	want("name", name, "anon_inode:[perf_event]")

	// A link of a tracepoint, and what is told of it.
	event := open(number(tracing + "/events/sched/sched_switch/id"))
	link, err := bpfCall(28, words(uint32(tracepoint), uint32(event), 41, 0))
	want("link", err, nil)
	info := make([]byte, 64)
	low, high := address(&info[0])
	_, err = bpfCall(15, words(uint32(link), uint32(len(info)), low, high))
	want("info", err, nil)
	want("type of the link", binary.NativeEndian.Uint32(info), perfTypeOfLink)
	want("type of the event", binary.NativeEndian.Uint32(info[16:]), 5)
	_, err = bpfCall(34, words(uint32(link)))
	want("detach", err, unix.EOPNOTSUPP)
	query := words(4, 0, 0, 0, 0, 0)
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(event), unix.PERF_EVENT_IOC_QUERY_BPF, uintptr(unsafe.Pointer(&query[0])))
	want("query", int(errno), 0)
	want("programs", binary.NativeEndian.Uint32(query[4:]), 1)
	unix.Close(link)
	_, _, _ = unix.Syscall(unix.SYS_IOCTL, uintptr(event), unix.PERF_EVENT_IOC_QUERY_BPF, uintptr(unsafe.Pointer(&query[0])))
	want("programs without the link", binary.NativeEndian.Uint32(query[4:]), 0)

	wrong = append(wrong, socketFilters(), memoryLimit(), waitForRing())
	return errors.Join(wrong...)
}

// socketFilters gives a socket a program.
func socketFilters() error {
	filter, err := loadType(1)
	if err != nil {
		return err
	}
	other, err := loadProgram()
	if err != nil {
		return err
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	if err != nil {
		return err
	}
	attach := func(prog int) error { return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ATTACH_BPF, prog) }
	if err := attach(other); err != unix.EINVAL {
		return fmt.Errorf("a program of another type: %v", err)
	}
	if err := attach(4711); err != unix.EBADF {
		return fmt.Errorf("no program: %v", err)
	}
	if err := attach(filter); err != nil {
		return fmt.Errorf("a filter: %w", err)
	}
	return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DETACH_BPF, 0)
}

// memoryLimit raises the limit as root may.
func memoryLimit() error {
	all := unix.Rlimit{Cur: unix.RLIM_INFINITY, Max: unix.RLIM_INFINITY}
	if err := unix.Setrlimit(unix.RLIMIT_MEMLOCK, &all); err != nil {
		return fmt.Errorf("setrlimit: %w", err)
	}
	var now unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_MEMLOCK, &now); err != nil || now != all {
		return fmt.Errorf("getrlimit: %v, %w", now, err)
	}
	return nil
}

// waitForRing waits for a ring buffer that nobody writes to.
func waitForRing() error {
	ring, err := bpfCall(0, words(27, 0, 0, uint32(os.Getpagesize())))
	if err != nil {
		return fmt.Errorf("ring buffer: %w", err)
	}
	set, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return err
	}
	if err := unix.EpollCtl(set, unix.EPOLL_CTL_ADD, ring, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: 7}); err != nil {
		return fmt.Errorf("epoll_ctl of a ring buffer: %w", err)
	}
	var events [1]unix.EpollEvent
	if n, err := unix.EpollWait(set, events[:], 1); n != 0 || err != nil {
		return fmt.Errorf("an empty ring buffer wakes: %d, %w", n, err)
	}
	return nil
}

// What never runs is attached as on a kernel, named once, and summed up at the end.
func TestInert(t *testing.T) {
	needNamespaces(t)
	out := output(t, target(t, "", "inert"))
	if strings.HasPrefix(out, "no tracefs") {
		t.Skip(out)
	}
	require.Equal(t, 2, strings.Count(out, "kprobe/do_exit: attached, never runs"), out)
	require.Contains(t, out, "nkconform:     1 x tracepoint/sched/sched_switch: attached, never runs (first: ")
	require.Contains(t, out, "socket filter/")
}
