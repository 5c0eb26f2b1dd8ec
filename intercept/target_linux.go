//go:build amd64 || arm64

package intercept

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/nkconform/nkconform/intercept/sim"
	"github.com/nkconform/nkconform/mprog"
)

// Target looks at what the caller's fd refers to.
func (c *caller) Target(fd uint32) (sim.Target, bool) { return c.targetOf(c.call.TID, fd) }

// TaskTarget looks at what another process's fd refers to.
func (c *caller) TaskTarget(pid, fd uint32) (sim.Target, bool) { return c.targetOf(pid, fd) }

func (c *caller) targetOf(tid, fd uint32) (t sim.Target, open bool) {
	f, open := c.s.files.find(tid, fd)
	switch {
	case !open:
		return t, false
	case f != nil:
		if f.perf != nil {
			t.Kind, t.Perf = sim.PerfTarget, &f.perf.PerfEvent
		}
		if f.socket != nil {
			t.Kind = sim.SocketTarget
		}
		t.Object = f.object
		return t, true
	}
	path := "/proc/" + strconv.FormatUint(uint64(tid), 10) + "/fd/" + strconv.FormatUint(uint64(fd), 10)
	var st unix.Stat_t
	if unix.Stat(path, &st) != nil {
		return t, false
	}
	t.ID = st.Ino
	name, _ := os.Readlink(path)
	t.Name = name
	switch {
	case strings.HasPrefix(name, "net:["):
		t.Kind = sim.NetnsTarget
	case strings.HasPrefix(name, "socket:["):
		t.Kind, t.Owner = sim.SocketTarget, c.s.cookieOf(tid, fd)
	case name == "anon_inode:[pidfd]", strings.HasPrefix(name, "pidfd:["):
		t.Kind, t.Owner = sim.TaskTarget, ownerOf(tid, fd)
	case c.s.isCgroup(path, st.Dev):
		t.Kind, t.Above = sim.CgroupTarget, foldersAbove(path, st)
	}
	return t, true
}

// cookieOf is the cookie of a socket that a thread has, 0 if nobody tells.
func (s *supervisor) cookieOf(tid, fd uint32) uint64 {
	copied, err := s.borrow(tid, fd)
	if err != nil {
		return 0
	}
	defer unix.Close(copied)
	cookie, _ := unix.GetsockoptUint64(copied, unix.SOL_SOCKET, unix.SO_COOKIE)
	return cookie
}

// ownerOf is as what the task owns values that a thread has a pidfd of, 0 if it is gone.
func ownerOf(tid, fd uint32) uint64 {
	info, err := os.ReadFile("/proc/" + strconv.FormatUint(uint64(tid), 10) + "/fdinfo/" + strconv.FormatUint(uint64(fd), 10))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(info)) {
		if text, ok := strings.CutPrefix(line, "Pid:"); ok {
			pid, err := strconv.ParseUint(strings.TrimSpace(text), 10, 32)
			if t := taskOf(uint32(pid)); err == nil && t != nil {
				return t.Owner()
			}
		}
	}
	return 0
}

// foldersAbove are the inodes of the folders in which one is, in its file system.
func foldersAbove(path string, of unix.Stat_t) (list []uint64) {
	const deepest = 256
	for range deepest {
		path += "/.."
		var st unix.Stat_t
		if unix.Stat(path, &st) != nil || st.Dev != of.Dev || st.Ino == of.Ino {
			break
		}
		list, of = append(list, st.Ino), st
	}
	return list
}

// isCgroup reports whether a file is a folder of a cgroup2 file system.
func (s *supervisor) isCgroup(path string, device uint64) bool {
	if magic := s.magicOf(device); magic != 0 {
		return magic == unix.CGROUP2_SUPER_MAGIC
	}
	var fs unix.Statfs_t
	return unix.Statfs(path, &fs) == nil && fs.Type == unix.CGROUP2_SUPER_MAGIC
}

// HasTask reports whether there is a process.
func (c *caller) HasTask(pid uint32) bool {
	return unix.Kill(int(pid), 0) != unix.ESRCH
}

// Executable looks at a file that probes are to be put into (kern_path, d_is_reg).
func (c *caller) Executable(path string) mprog.Errno {
	info, err := os.Stat(c.path(unix.AT_FDCWD, path))
	switch {
	case os.IsNotExist(err):
		return mprog.ENOENT
	case err != nil:
		if e, ok := err.(*os.PathError); ok {
			return errnoOf(e.Err)
		}
		return mprog.EIO
	case !info.Mode().IsRegular():
		return mprog.EINVAL
	}
	return 0
}

// realPath follows links as the caller would.
func (c *caller) realPath(path string) string {
	root := c.proc("/root")
	found, err := filepath.EvalSymlinks(c.path(unix.AT_FDCWD, path))
	if err != nil {
		return path
	}
	return strings.TrimPrefix(found, root)
}
