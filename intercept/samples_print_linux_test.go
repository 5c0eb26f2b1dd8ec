//go:build amd64 || arm64

package intercept

import (
	"encoding/binary"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// Where struct perf_event_mmap_page has its fields.
const (
	headAt = 1024
	tailAt = 1032
)

func at64(p []byte, at int) uint64 { return binary.NativeEndian.Uint64(p[at:]) }

// page prints what the first page says.
func page(p []byte) {
	fmt.Printf("  head %d tail %d data at %d, %d bytes, size %d\n",
		at64(p, headAt), at64(p, tailAt), at64(p, headAt+16), at64(p, headAt+24), binary.NativeEndian.Uint32(p[72:]))
}

// read prints the records from the tail on, and says that they are read.
func (s *sampler) read(p []byte, sampleType uint64) {
	head, tail := at64(p, headAt), at64(p, tailAt)
	for tail != head {
		tail += s.record(p[os.Getpagesize():], tail, sampleType)
	}
	binary.NativeEndian.PutUint64(p[tailAt:], tail)
}

// record prints a record and returns its length.
func (s *sampler) record(data []byte, at, sampleType uint64) uint64 {
	mask := uint64(len(data) - 1)
	byteAt := func(i uint64) byte { return data[(at+i)&mask] }
	bytes := func(from, n uint64) (p []byte) {
		for i := range n {
			p = append(p, byteAt(from+i))
		}
		return p
	}
	h := bytes(0, 8)
	typ, misc, size := binary.NativeEndian.Uint32(h), binary.NativeEndian.Uint16(h[4:]), uint64(binary.NativeEndian.Uint16(h[6:]))
	fmt.Printf("  at %d: type %d misc %d size %d", at, typ, misc, size)
	if size == 0 {
		fmt.Println()
		return mask + 1
	}
	from := uint64(8)
	field := func(n uint64) []byte { from += n; return bytes(from-n, n) }
	if typ == unix.PERF_RECORD_LOST {
		fmt.Printf(" id %s", s.ids[at64(field(8), 0)])
		fmt.Printf(" lost %d", at64(field(8), 0))
	} else if sampleType&unix.PERF_SAMPLE_IDENTIFIER != 0 {
		fmt.Printf(" identifier %s", s.ids[at64(field(8), 0)])
	}
	if sampleType&unix.PERF_SAMPLE_TID != 0 && from < size {
		p := field(8)
		fmt.Printf(" self %v %v", binary.NativeEndian.Uint32(p) == uint32(os.Getpid()), binary.NativeEndian.Uint32(p[4:]) == uint32(unix.Gettid()))
	}
	if sampleType&unix.PERF_SAMPLE_TIME != 0 && from < size {
		fmt.Printf(" time %v", at64(field(8), 0) != 0)
	}
	for _, f := range []struct {
		bit    uint64
		name   string
		sample bool
	}{
		{unix.PERF_SAMPLE_ADDR, "addr", true}, {unix.PERF_SAMPLE_ID, "id", false}, {unix.PERF_SAMPLE_STREAM_ID, "stream", false},
		{unix.PERF_SAMPLE_CPU, "cpu", false}, {unix.PERF_SAMPLE_PERIOD, "period", true},
	} {
		if sampleType&f.bit == 0 || from >= size || f.sample && typ == unix.PERF_RECORD_LOST {
			continue
		}
		v := at64(field(8), 0)
		text := fmt.Sprint(v)
		if strings.Contains(f.name, "i") && f.name != "period" || f.name == "stream" {
			text = s.ids[v]
		}
		fmt.Printf(" %s %s", f.name, text)
	}
	if typ == unix.PERF_RECORD_SAMPLE {
		raw := uint64(binary.NativeEndian.Uint32(field(4)))
		p := bytes(from, raw)
		fmt.Printf(" raw %d % x", raw, p[:min(len(p), 40)])
	} else if from < size {
		fmt.Printf(" identifier %s", s.ids[at64(field(8), 0)])
	}
	fmt.Println()
	return size
}

// ready prints which of the events of the epoll set have something to read.
func (s *sampler) ready(what string) {
	var events [8]unix.EpollEvent
	n, err := unix.EpollWait(s.set, events[:], 0)
	names := []string{}
	for _, e := range events[:max(n, 0)] {
		names = append(names, fmt.Sprintf("%s %#x", s.names[int(e.Fd)], e.Events))
	}
	fmt.Printf("  ready after %s: %v %v\n", what, names, err)
}

// await has a new set wait for an event, which the map may hold for longer than its fd.
func (s *sampler) await(fd int) (err error) {
	if s.set, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return err
	}
	return unix.EpollCtl(s.set, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)})
}
