//go:build amd64 || arm64

package intercept

import (
	"bytes"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/nkconform/nkconform/intercept/sim"
)

// With parallel kernels it is the network namespace that says which one answers:
// that of a kernel, and those that were made or entered from it.

// at is the kernel that answers in a network namespace.
func (s *supervisor) at(netns uint64) *sim.Sim {
	if which, ok := s.worlds.Load(netns); ok {
		return which.(*sim.Sim)
	}
	return s.passing.Load()
}

// adopt has a namespace of no kernel answered by the kernel of another one.
func (s *supervisor) adopt(netns, like uint64) *sim.Sim {
	if which, ok := s.worlds.Load(like); ok {
		s.worlds.LoadOrStore(netns, which)
	}
	return s.at(netns)
}

// belongs finds the kernel of a caller, nil if there is none, which is told.
func (s *supervisor) belongs(who *caller) *sim.Sim {
	which := s.reaches(who)
	if which == nil && !s.strayed {
		s.strayed = true
		s.warn("a thread of no test's kernel has made a call of bpf(2), which is refused with EPERM: with Options.Parallel, code under " +
			"test runs in intercept.Do, and goroutines that it starts run elsewhere")
	}
	return which
}

// reaches finds the kernel of a caller, nil if there is none. A namespace that was
// made or entered from one of a kernel's is the kernel's from then on.
func (s *supervisor) reaches(who *caller) *sim.Sim {
	netns := who.netnsInode()
	if which, ok := s.worlds.Load(netns); ok {
		return which.(*sim.Sim)
	}
	if from, ok := s.origins[who.call.TID]; ok {
		s.adopt(netns, from)
	}
	for pid := parent(who.call.TID); pid > 1; pid = parent(pid) { // a process that was started in a namespace of its own
		var st unix.Stat_t
		if unix.Stat("/proc/"+strconv.FormatUint(uint64(pid), 10)+"/ns/net", &st) != nil {
			break
		}
		s.adopt(netns, st.Ino)
	}
	if which, ok := s.worlds.Load(netns); ok {
		return which.(*sim.Sim)
	}
	return nil
}

// parent is the process that has started another, 0 if it is not known.
func parent(pid uint32) uint32 {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	_, rest, _ := bytes.Cut(status, []byte("\nPPid:\t"))
	line, _, _ := bytes.Cut(rest, []byte("\n"))
	id, err := strconv.ParseUint(string(line), 10, 31)
	if err != nil {
		return 0
	}
	return uint32(id)
}
