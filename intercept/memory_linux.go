//go:build amd64 || arm64

package intercept

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/nkconform/nkconform/intercept/sim"
)

// memory is a memfd, mapped here and, by way of an fd, in the program.
type memory struct {
	fd   int
	data []byte
	// waiters is an eventfd in the epoll sets of those who wait for a ring buffer's
	// records, or a perf event's; -1: nobody does.
	waiters atomic.Int32
}

func newMemory(size int) (sim.Memory, error) {
	fd, err := unix.MemfdCreate("bpf-map", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("memfd: %w", err)
	}
	m := &memory{fd: fd}
	m.waiters.Store(-1)
	if err = unix.Ftruncate(fd, int64(size)); err == nil {
		m.data, err = unix.Mmap(fd, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	}
	if err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("memory of %d bytes: %w", size, err)
	}
	return m, nil
}

func (m *memory) Bytes() []byte { return m.data }

func (m *memory) Close() error {
	var err error
	if m.data != nil {
		err = unix.Munmap(m.data)
		m.data = nil
	}
	if fd := m.waiters.Load(); fd >= 0 {
		unix.Close(int(fd))
	}
	if closeErr := unix.Close(m.fd); err == nil {
		err = closeErr
	}
	return err
}

// possibleCPUs counts the CPUs that values of per-CPU maps have one each of.
func possibleCPUs() int {
	text, err := os.ReadFile("/sys/devices/system/cpu/possible")
	if err != nil {
		return 1
	}
	ranges := strings.Split(strings.TrimSpace(string(text)), ",")
	_, last, found := strings.Cut(ranges[len(ranges)-1], "-")
	if !found {
		last = ranges[len(ranges)-1]
	}
	n, err := strconv.Atoi(last)
	if err != nil {
		return 1
	}
	return n + 1
}
