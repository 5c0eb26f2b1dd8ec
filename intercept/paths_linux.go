//go:build amd64 || arm64

package intercept

import (
	"bytes"
	"encoding/binary"
	"os"
	"path"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/nkconform/nkconform/intercept/notify"
	"github.com/nkconform/nkconform/intercept/sim"
	"github.com/nkconform/nkconform/mprog"
)

// path returns where this process finds a file of the caller's.
func (c *caller) path(dirFD int32, name string) string {
	for strings.Contains(name, "//") { // the way there makes the path longer, and PATH_MAX is a limit here, too
		name = strings.ReplaceAll(name, "//", "/")
	}
	switch {
	case strings.HasPrefix(name, "/"):
		return c.proc("/root" + name)
	case dirFD == unix.AT_FDCWD:
		return c.proc("/cwd/" + name)
	}
	return c.proc("/fd/" + strconv.Itoa(int(dirFD)) + "/" + name)
}

// text reads a string of at most so many bytes, false if it is longer or cannot
// be read.
func (c *caller) text(address uint64, most int) (string, bool) {
	p := make([]byte, most)
	n, err := c.ReadSome(address, p)
	if err != nil {
		return "", false
	}
	s, _, found := bytes.Cut(p[:n], []byte{0})
	return string(s), found
}

// CreatePin makes a plain file, in a file system that passes for a bpf file
// system (bpf_obj_do_pin).
func (c *caller) CreatePin(dirFD int32, name string) (sim.PinKey, mprog.Errno) {
	file := c.path(dirFD, name)
	var dir, st unix.Stat_t
	if err := unix.Stat(path.Dir(file), &dir); err != nil {
		if c.s.reserved(path.Dir(file)) {
			return sim.PinKey{}, mprog.EPERM
		}
		return sim.PinKey{}, errnoOf(err)
	}
	// A slash at the end changes nothing for what exists (filename_create).
	if unix.Lstat(strings.TrimRight(file, "/"), &st) == nil {
		return sim.PinKey{}, mprog.EEXIST
	}
	if !c.s.bpffs[dir.Dev] || strings.Contains(path.Base(name), ".") {
		return sim.PinKey{}, mprog.EPERM
	}
	fd, err := unix.Open(file, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return sim.PinKey{}, errnoOf(err)
	}
	err = unix.Fstat(fd, &st)
	unix.Close(fd)
	if err != nil {
		return sim.PinKey{}, errnoOf(err)
	}
	key := sim.PinKey{Device: st.Dev, Inode: st.Ino}
	c.s.files.watch(file, key)
	return key, 0
}

// FindPin looks a pin's file up.
func (c *caller) FindPin(dirFD int32, name string) (sim.PinKey, mprog.Errno) {
	var st unix.Stat_t
	file := c.path(dirFD, name)
	if err := unix.Stat(file, &st); err != nil {
		if c.s.reserved(file) {
			return sim.PinKey{}, mprog.EPERM
		}
		return sim.PinKey{}, errnoOf(err)
	}
	return sim.PinKey{Device: st.Dev, Inode: st.Ino}, 0
}

// reserved reports whether the first part of a path that does not exist has a name
// that a bpf file system keeps for itself (bpf_lookup).
func (s *supervisor) reserved(file string) bool {
	var st unix.Stat_t
	for dir := path.Dir(file); dir != file; file, dir = dir, path.Dir(dir) {
		if unix.Stat(dir, &st) == nil {
			name := path.Base(file)
			err := unix.Lstat(file, new(unix.Stat_t))
			return s.bpffs[st.Dev] && name != "." && name != ".." && strings.Contains(name, ".") &&
				(err == unix.ENOENT || err == unix.ENAMETOOLONG)
		}
	}
	return false
}

func errnoOf(err error) mprog.Errno {
	if errno, ok := err.(unix.Errno); ok {
		return mprog.Errno(errno)
	}
	return mprog.EIO
}

// statfs answers statfs(2) for files of a simulated bpf file system.
func (s *supervisor) statfs(c *notify.Call) {
	who := s.caller(c)
	name, ok := who.text(c.Args[0], unix.PathMax)
	if strings.HasPrefix(name, "/sys/kernel/tracing") {
		s.tellTrees()
	}
	if !ok || name == "" || !s.statfsAt(c, who, who.path(unix.AT_FDCWD, name)) {
		_ = s.listener.Continue(c)
	}
}

// fstatfs answers fstatfs(2) likewise.
func (s *supervisor) fstatfs(c *notify.Call) {
	who := s.caller(c)
	if !s.statfsAt(c, who, who.proc("/fd/"+strconv.Itoa(int(int32(c.Args[0]))))) {
		_ = s.listener.Continue(c)
	}
}

func (s *supervisor) statfsAt(c *notify.Call, who *caller, file string) (answered bool) {
	var st unix.Stat_t
	var fs unix.Statfs_t
	if unix.Stat(file, &st) != nil {
		return false
	}
	magic := s.magicOf(st.Dev)
	if s.bpffs[st.Dev] {
		magic = unix.BPF_FS_MAGIC
	}
	if magic == 0 || unix.Statfs(file, &fs) != nil {
		return false
	}
	fs.Type = magic
	errno := unix.Errno(0)
	out := unsafe.Slice((*byte)(unsafe.Pointer(&fs)), unsafe.Sizeof(fs))
	if who.Write(sim.Segment{Address: c.Args[1], Data: out}) != nil {
		errno = unix.EFAULT
	}
	_ = s.listener.Answer(c, 0, errno)
	return true
}

// unlink answers unlink(2) of what cannot be in a bpf file system.
func (s *supervisor) unlink(c *notify.Call) { s.unlinkAt(c, unix.AT_FDCWD, c.Args[0]) }

// unlinkat answers unlinkat(2) likewise.
func (s *supervisor) unlinkat(c *notify.Call) { s.unlinkAt(c, int32(c.Args[0]), c.Args[1]) }

func (s *supervisor) unlinkAt(c *notify.Call, dir int32, name uint64) {
	who := s.caller(c)
	text, ok := who.text(name, unix.PathMax)
	if ok && len(s.bpffs) > 0 && s.reserved(who.path(dir, text)) {
		_ = s.listener.Answer(c, 0, unix.EPERM)
		return
	}
	_ = s.listener.Continue(c)
}

// readlink answers readlink(2) of a BPF object's fd in /proc.
func (s *supervisor) readlink(c *notify.Call) { s.readlinkAt(c, c.Args[0], c.Args[1], c.Args[2]) }

// readlinkat answers readlinkat(2) likewise.
func (s *supervisor) readlinkat(c *notify.Call) { s.readlinkAt(c, c.Args[1], c.Args[2], c.Args[3]) }

// longestFDPath is longer than the longest path of an fd in /proc.
const longestFDPath = 64

func (s *supervisor) readlinkAt(c *notify.Call, name, buffer, size uint64) {
	who := s.caller(c)
	f := who.fileAt(name)
	if f == nil || f.object == nil && f.perf == nil || int32(size) <= 0 {
		_ = s.listener.Continue(c)
		return
	}
	text := "anon_inode:[perf_event]"
	if f.object != nil {
		text = f.object.String()
	}
	text = text[:min(len(text), int(int32(size)))]
	errno := unix.Errno(0)
	if who.Write(sim.Segment{Address: buffer, Data: []byte(text)}) != nil {
		errno = unix.EFAULT
	}
	_ = s.listener.Answer(c, int64(len(text)), errno)
}

// fileAt returns the file whose path in /proc is at an address, nil for any
// other path.
func (c *caller) fileAt(address uint64) *file {
	var p [longestFDPath]byte
	n, err := c.mem.ReadSome(address, p[:])
	if err != nil || !bytes.HasPrefix(p[:n], []byte("/proc/")) {
		return nil
	}
	name, _, found := bytes.Cut(p[:n], []byte{0})
	if !found {
		return nil
	}
	tid, fd, ok := c.parseFDPath(string(name))
	if !ok {
		return nil
	}
	f, _ := c.s.files.find(tid, fd)
	return f
}

// parseFDPath parses /proc/PID/fd/N, where PID may be self or thread-self, and
// /proc/PID/task/TID/fd/N.
func (c *caller) parseFDPath(name string) (tid, fd uint32, ok bool) {
	parts := strings.Split(strings.TrimPrefix(name, "/proc/"), "/")
	if len(parts) == 5 && parts[1] == "task" {
		parts = parts[2:]
	}
	if len(parts) != 3 || parts[1] != "fd" {
		return 0, 0, false
	}
	number, err := strconv.ParseUint(parts[2], 10, 31)
	if err != nil {
		return 0, 0, false
	}
	switch parts[0] {
	case "thread-self":
		return c.call.TID, uint32(number), true
	case "self":
		return c.leader(), uint32(number), true
	}
	id, err := strconv.ParseUint(parts[0], 10, 31)
	return uint32(id), uint32(number), err == nil
}

// leader returns the caller's process id.
func (c *caller) leader() uint32 {
	status, err := os.ReadFile(c.proc("/status"))
	if err != nil {
		return c.call.TID
	}
	_, rest, _ := bytes.Cut(status, []byte("\nTgid:\t"))
	line, _, _ := bytes.Cut(rest, []byte("\n"))
	id, err := strconv.ParseUint(string(line), 10, 31)
	if err != nil {
		return c.call.TID
	}
	return uint32(id)
}

// watch learns when a pin's file is unlinked.
func (f *files) watch(name string, key sim.PinKey) {
	wd, err := unix.InotifyAddWatch(f.inotify, name, unix.IN_DELETE_SELF)
	if err == nil { // or unlinked already, and the pin stays: it harms nobody
		f.pins[int32(wd)] = key
	}
}

// unlinked reads what was unlinked, and which memory closed.
func (f *files) unlinked() {
	var buf [4096]byte
	for {
		n, err := unix.Read(f.inotify, buf[:])
		if err != nil || n < unix.SizeofInotifyEvent {
			return
		}
		for p := buf[:n]; len(p) >= unix.SizeofInotifyEvent; {
			wd := int32(binary.NativeEndian.Uint32(p))
			mask := binary.NativeEndian.Uint32(p[4:])
			name := binary.NativeEndian.Uint32(p[12:])
			p = p[unix.SizeofInotifyEvent+name:]
			if m := f.byWatch[wd]; m != nil {
				m.mapped.closed = true
				f.review(m)
				continue
			}
			if mask&(unix.IN_DELETE_SELF|unix.IN_UNMOUNT) == 0 {
				continue
			}
			if key, ok := f.pins[wd]; ok {
				delete(f.pins, wd)
				f.unpinned(key)
			}
		}
	}
}
