//go:build amd64 || arm64

package intercept

import (
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/nkconform/nkconform/intercept/machine"
	"github.com/nkconform/nkconform/intercept/notify"
)

// Task is the caller's thread.
func (c *caller) Task() *machine.Task { return taskOf(c.call.TID) }

// taskOf tells of a thread, nil if it is gone. Its owners are those of the namespace of
// users that the program is in.
func taskOf(tid uint32) *machine.Task {
	status, err := os.ReadFile("/proc/" + strconv.FormatUint(uint64(tid), 10) + "/status")
	if err != nil {
		return nil
	}
	memory := notify.Memory{TID: tid}
	t := &machine.Task{PID: tid, Memory: func(address uint64, p []byte) int {
		n, _ := memory.ReadSome(address, p)
		return n
	}}
	for line := range strings.Lines(string(status)) {
		name, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ":\t")
		first, _, _ := strings.Cut(rest, "\t") // the real one
		n, _ := strconv.ParseUint(first, 10, 32)
		switch name {
		case "Name":
			t.Name = rest
		case "Tgid":
			t.TGID = uint32(n)
		case "Uid":
			t.UID = uint32(n)
		case "Gid":
			t.GID = uint32(n)
		}
	}
	t.Cgroups, t.Started = cgroupsOf(tid), startOf(tid)
	return t
}

// startOf is when a thread was started (starttime of proc_pid_stat(5)), 0 if it is gone.
func startOf(tid uint32) uint64 {
	text, err := os.ReadFile("/proc/" + strconv.FormatUint(uint64(tid), 10) + "/stat")
	if err != nil {
		return 0
	}
	const start = 22 - 3 // behind the name, whose brackets end where the third field begins
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	if len(fields) <= start {
		return 0
	}
	n, _ := strconv.ParseUint(fields[start], 10, 64)
	return n
}

const (
	cgroupRoot = "/sys/fs/cgroup"
	rootCgroup = 1 // its id
)

// cgroupsOf are the ids of a thread's cgroup and those above it, from the root on; nil if
// that is not to be seen.
func cgroupsOf(tid uint32) []uint64 {
	text, err := os.ReadFile("/proc/" + strconv.FormatUint(uint64(tid), 10) + "/cgroup")
	if err != nil {
		return nil
	}
	for line := range strings.Lines(string(text)) {
		path, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "0::")
		switch ids := cgroupsAlong(filepath.Join(cgroupRoot, path)); {
		case !ok:
		case ids == nil && path == "/": // where that file system is not to be seen
			return []uint64{rootCgroup}
		default:
			return ids
		}
	}
	return nil
}

// cgroupsAlong are the ids along a path below the root: inodes, as a file system of
// cgroups of version 2 has them.
func cgroupsAlong(path string) (ids []uint64) {
	var of unix.Statfs_t
	if unix.Statfs(cgroupRoot, &of) != nil || of.Type != unix.CGROUP2_SUPER_MAGIC {
		return nil
	}
	for at := path; ; at = filepath.Dir(at) {
		inode, err := inodeAt(at)
		if err != nil || len(at) < len(cgroupRoot) {
			return nil
		}
		if ids = append([]uint64{inode}, ids...); at == cgroupRoot {
			return ids
		}
	}
}

func inodeAt(path string) (uint64, error) {
	var st unix.Stat_t
	err := unix.Stat(path, &st)
	return st.Ino, err
}

// cgroupsTo is cgroupsAlong for the cgroup with an id.
func cgroupsTo(id uint64) (ids []uint64) {
	if id == 0 {
		return nil
	}
	_ = filepath.WalkDir(cgroupRoot, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return nil
		}
		info, err := d.Info()
		if st, ok := info.Sys().(*syscall.Stat_t); err == nil && ok && st.Ino == id {
			ids = cgroupsAlong(path)
			return filepath.SkipAll
		}
		return nil
	})
	return ids
}

// Cookie asks the running kernel.
func (o outside) Cookie() (cookie uint64, err error) {
	err = o.enter(func() error {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		cookie, err = unix.GetsockoptUint64(fd, unix.SOL_SOCKET, unix.SO_NETNS_COOKIE)
		return err
	})
	return cookie, err
}
