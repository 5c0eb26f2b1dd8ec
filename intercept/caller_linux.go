//go:build amd64 || arm64

package intercept

import (
	"bytes"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/nkconform/nkconform/intercept/notify"
	"github.com/nkconform/nkconform/intercept/sim"
	"github.com/nkconform/nkconform/mprog"
)

// caller is the thread behind a call.
type caller struct {
	s    *supervisor
	call *notify.Call
	mem  notify.Memory
	// looks says that the call changes nothing, so that nothing is lost when it
	// was made of somebody else's memory: its answer reaches nobody.
	looks bool
	// What fds the call has named were when they were looked up first: they are
	// that until it is answered.
	found [4]foundFD
	finds int
}

// foundFD is an fd that has been looked up.
type foundFD struct {
	fd   uint32
	file *file
	open bool
}

// find looks an fd up, once a call.
func (c *caller) find(fd uint32) (*file, bool) {
	for _, f := range c.found[:c.finds] {
		if f.fd == fd {
			return f.file, f.open
		}
	}
	f, open := c.s.files.find(c.call.TID, fd)
	if c.finds < len(c.found) {
		c.found[c.finds] = foundFD{fd, f, open}
		c.finds++
	}
	return f, open
}

var _ sim.Caller = (*caller)(nil)

func (s *supervisor) caller(c *notify.Call) *caller {
	who := &caller{s: s, call: c, mem: notify.Memory{TID: c.TID}}
	if len(s.leaving) > 0 {
		who.arrive()
	}
	return who
}

// Read fails, too, when the caller is gone and the memory somebody else's.
func (c *caller) Read(address uint64, p []byte) error {
	if err := c.mem.Read(address, p); err != nil {
		return err
	}
	return c.stillThere()
}

func (c *caller) ReadSome(address uint64, p []byte) (int, error) {
	n, err := c.mem.ReadSome(address, p)
	if err != nil {
		return 0, err
	}
	return n, c.stillThere()
}

func (c *caller) stillThere() error {
	if !c.looks && !c.s.listener.Valid(c.call) {
		return unix.ESRCH
	}
	return nil
}

func (c *caller) Write(segments ...sim.Segment) error {
	var few [4]notify.Segment
	out := few[:0]
	for _, s := range segments {
		out = append(out, notify.Segment(s))
	}
	return c.mem.Write(out...)
}

// Object looks up what the caller's fd is by its inode.
func (c *caller) Object(fd uint32) (*sim.Object, bool) {
	f, open := c.find(fd)
	if f == nil {
		return nil, open
	}
	if f.object != nil && !c.kernel().Owns(f.object) {
		c.s.foreign(fd, f.object)
		return nil, false
	}
	return f.object, true
}

// Capable reports whether the caller has a capability that counts in the kernel's first
// user namespace (capable): those of another one are of that one alone.
func (c *caller) Capable(capability mprog.Capability) bool {
	return !c.Nested() && c.capableThere(capability)
}

// capableThere looks at the effective capabilities, which count in the caller's user
// namespace and for what belongs to it (ns_capable).
func (c *caller) capableThere(capability mprog.Capability) bool {
	if !c.s.dropped {
		return true
	}
	status, err := os.ReadFile(c.proc("/status"))
	if err != nil {
		return true // the caller is gone
	}
	_, rest, _ := bytes.Cut(status, []byte("CapEff:\t"))
	line, _, _ := bytes.Cut(rest, []byte("\n"))
	set, err := strconv.ParseUint(string(line), 16, 64)
	return err != nil || set>>capability&1 != 0
}

// UID is the real user.
func (c *caller) UID() uint32 {
	if !c.s.dropped {
		return uint32(os.Getuid())
	}
	status, err := os.ReadFile(c.proc("/status"))
	if err != nil {
		return uint32(os.Getuid()) // the caller is gone
	}
	_, rest, _ := bytes.Cut(status, []byte("\nUid:\t"))
	field, _, _ := bytes.Cut(rest, []byte("\t"))
	uid, _ := strconv.ParseUint(string(field), 10, 32)
	return uint32(uid)
}

// Nested compares user namespaces: the supervisor is in the kernel's first one.
func (c *caller) Nested() bool {
	return c.s.nests && c.users() != c.s.users
}

// users is the inode of the caller's user namespace.
func (c *caller) users() uint64 {
	var st unix.Stat_t
	if unix.Stat(c.proc("/ns/user"), &st) != nil {
		return c.s.users // the caller is gone, or there are none
	}
	return st.Ino
}

// BPFFS looks at an fd's file.
func (c *caller) BPFFS(fd uint32) (b sim.BPFFS) {
	path := c.proc("/fd/" + strconv.FormatUint(uint64(fd), 10))
	var st, above unix.Stat_t
	if unix.Stat(path, &st) != nil {
		return b
	}
	b.Open = true
	if !c.s.bpffs[st.Dev] {
		var fs unix.Statfs_t
		b.Other = unix.Statfs(path, &fs) == nil && fs.Type == unix.BPF_FS_MAGIC
		return b
	}
	b.Root = unix.Stat(path+"/..", &above) != nil || above.Dev != st.Dev || above.Ino == st.Ino
	b.Own = c.users() == c.s.mounters[st.Dev]
	return b
}

// kernel is the one that answers the caller.
func (c *caller) kernel() *sim.Sim {
	if !c.s.options.Parallel {
		return c.s.sim
	}
	return c.s.at(c.Netns())
}

// Process is the name of the caller's process.
func (c *caller) Process() string {
	name, err := os.ReadFile("/proc/" + strconv.FormatUint(uint64(c.leader()), 10) + "/comm")
	if err != nil {
		return "" // the caller is gone
	}
	return strings.TrimSuffix(string(name), "\n")
}

// proc returns the path of a file about the calling thread.
func (c *caller) proc(name string) string {
	return "/proc/" + strconv.FormatUint(uint64(c.call.TID), 10) + name
}
